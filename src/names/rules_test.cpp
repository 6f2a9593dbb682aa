#include "names/rules.h"

#include <gtest/gtest.h>

namespace tiltyard::names {
namespace {

Site site() { return {"free.test", true, {"page.test", "labs.test", "free.test"}, {"hall-of-fame"}}; }

std::string host_of(std::string_view typed) {
  const auto asked = check_asked(typed, site());
  return asked ? asked->host : asked.error().reason + ": " + asked.error().message;
}

std::string reason_of(std::string_view typed) {
  const auto asked = check_asked(typed, site());
  return asked ? "(good) " + asked->host : asked.error().reason;
}

TEST(R2_6_Rules, AWordIsAFreeName) {
  EXPECT_EQ(host_of("my-app"), "my-app.free.test");
  EXPECT_EQ(host_of(" My-App "), "my-app.free.test");
  EXPECT_EQ(host_of("my-app.free.test"), "my-app.free.test");
  EXPECT_EQ(host_of("my-app.FREE.test."), "my-app.free.test");
  EXPECT_EQ(host_of("abc"), "abc.free.test");
  EXPECT_EQ(host_of("a1b"), "a1b.free.test");
  EXPECT_EQ(host_of(std::string(63, 'a')), std::string(63, 'a') + ".free.test");
  EXPECT_EQ(check_asked("my-app", site())->kind, Kind::kFree);
}

TEST(R2_6_Rules, WhatIsNoLabelIsNoName) {
  for (const auto* bad : {"", ".", "ab", "-abc", "abc-", "a_b_c", "a b c", "ab--c", "xn--abc", "abc!", "abç", "аbс",
                          "a.b.free.test", "..free.test", "*"})
    EXPECT_EQ(reason_of(bad), "name-invalid") << bad;
  EXPECT_EQ(reason_of(std::string(64, 'a')), "name-invalid");
  EXPECT_EQ(reason_of(std::string("abc\0def", 7)), "name-invalid");
  EXPECT_EQ(reason_of("a-b--c"), "(good) a-b--c.free.test") << "only third and fourth place count";
}

TEST(R2_6_Rules, ReservedNamesAndWhatLooksLikeThemAreRefused) {
  for (const auto* bad :
       {"admin", "ADMIN", "adm1n0r", "login", "l0gin", "www", "www2", "vvww", "adrnin", "a-d-m-i-n", "ns1", "mail",
        "mai1", "postmaster", "hall-of-fame", "halloffame", "tiltyard", "ti1tyard", "admin.free.test"}) {
    const std::string name = bad;
    if (name == "adm1n0r") EXPECT_EQ(reason_of(name), "(good) adm1n0r.free.test");
    else EXPECT_EQ(reason_of(name), "name-reserved") << name;
  }
  EXPECT_EQ(reason_of("administer"), "(good) administer.free.test");
}

TEST(R2_6_Rules, NamesThatLookAlikeHaveOneSkeleton) {
  EXPECT_EQ(check_asked("modern", site())->skeleton, check_asked("m0dem", site())->skeleton);
  EXPECT_EQ(check_asked("my-app", site())->skeleton, check_asked("myapp", site())->skeleton);
  EXPECT_NE(check_asked("my-app", site())->skeleton, check_asked("my-apps", site())->skeleton);
  EXPECT_EQ(skeleton_of("xn--80ak6aa92e.com"), skeleton_of("apple.com")) << "five Cyrillic letters";
  EXPECT_EQ(skeleton_of("xn--caf-dma.example"), skeleton_of("cafe.example"));
}

TEST(R2_6_Rules, AWholeNameIsSomebodysDomain) {
  EXPECT_EQ(host_of("www.example.org"), "www.example.org");
  EXPECT_EQ(host_of("Example.ORG."), "example.org");
  EXPECT_EQ(host_of("bücher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(host_of("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(check_asked("www.example.org", site())->kind, Kind::kOwn);
}

TEST(R2_6_Rules, WhatTheDnsCannotHaveIsNoDomain) {
  for (const auto* bad : {"a..b", "10.1.2.3", "1.2", "foo.local", "x.localhost", "x.onion", "4.3.2.1.in-addr.arpa",
                          "-a.example", "a-.example", "a_b.example", "*.example.org", "ab--c.example",
                          "xn--zzzzzz.example", "xn--.example", "раypal.example", "x.internal", "[::1].example"})
    EXPECT_EQ(reason_of(bad), "name-invalid") << bad;
  EXPECT_EQ(reason_of(std::string(64, 'a') + ".example"), "name-invalid");
  std::string lengthy = "example";
  while (lengthy.size() < 260) lengthy = std::string(60, 'a') + "." + lengthy;
  EXPECT_EQ(reason_of(lengthy), "name-invalid");
}

TEST(R2_6_Rules, OurOwnNamesAndWhatIsAboveBelowOrLikeThemAreRefused) {
  for (const auto* bad :
       {"page.test", "www.page.test", "labs.test", "x.labs.test", "PAGE.test.", "free.test", "xn--pge-ela.test"})
    EXPECT_EQ(reason_of(bad), "name-reserved") << bad;
  auto deep = site();
  deep.ours = {"ctf.school.example"};
  EXPECT_EQ(check_asked("school.example", deep).error().reason, "name-reserved") << "a parent of the page's host";
  EXPECT_EQ(check_asked("c-t-f.schoo1.example", deep).error().reason, "name-reserved");
  EXPECT_TRUE(check_asked("www.school.example", deep)) << "beside it, and its owner's to prove";
}

TEST(R2_6_Rules, WhatIsOffIsSaid) {
  Site none;
  EXPECT_EQ(check_asked("my-app", none).error().reason, "names-off");
  EXPECT_EQ(check_asked("www.example.org", none).error().reason, "names-off");
}

}  // namespace
}  // namespace tiltyard::names
