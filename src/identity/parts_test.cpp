// The parts that need no database.
#include <gtest/gtest.h>

#include "identity/address.h"
#include "identity/attempts.h"
#include "identity/cache.h"
#include "identity/names.h"
#include "identity/secrets.h"

namespace tiltyard::identity {
namespace {

const auto kStart = from_micros(1'767'225'600'000'000);

TEST(R7_1, NamesOfAllScripts) {
  for (const auto* name : {"a", "Zoë", "Ольга", "陳", "user.name+tag@example", "x y"})
    EXPECT_TRUE(check_name("name", name)) << name;
  EXPECT_TRUE(check_name("name", std::string(64, 'x')));
  EXPECT_FALSE(check_name("name", std::string(65, 'x')));
  const std::string bad[] = {"",
                             " a",
                             "a ",
                             "a\tb",
                             "a\x7f",
                             "\xc0\xaf",
                             "\xff",
                             "a\xe2\x80",
                             "\xed\xa0\x80",
                             "a\xe2\x80\xae"
                             "b",
                             "a\xe2\x80\x8b",
                             "\xc2\x85"};
  for (const auto& name : bad) EXPECT_FALSE(check_name("name", name)) << name;
}

TEST(R7_1, NamesThatLookTheSameAreTheSame) {
  EXPECT_EQ(fold_name("JÜRGEN Ω"), fold_name("jürgen ω"));
  EXPECT_EQ(fold_name("ΟΔΟΣ"), fold_name("οδος"));
  EXPECT_EQ(fold_name("ΟΔΟΣ"), fold_name("οδοσ"));
  EXPECT_EQ(fold_name("ОЛЬГА"), fold_name("ольга"));
  EXPECT_EQ(fold_name("Ren\u00e9"), fold_name("rene\u0301")) << "one code point or two";
  EXPECT_EQ(fold_name("\u1e0b\u0323"), fold_name("\u1e0d\u0307")) << "marks in any order";
  EXPECT_EQ(fold_name("\u2764\ufe0f"), fold_name("\u2764")) << "with and without a selector that does not show";
  EXPECT_NE(fold_name("a"), fold_name("b"));
  EXPECT_NE(fold_name("rene"), fold_name("rené"));
  EXPECT_EQ(fold_name("陳"), "陳");
  EXPECT_EQ(fold_name("\xff"), "\xff") << "what is no UTF-8 is left as it is";
}

TEST(R7_1, FillersAndTheLikeAreNoNames) {
  for (const auto* hidden :
       {"\u3164", "a\u034fb", "a\u00adb", "a\u2060b", "a\U000e0041b", "\u115f", "a\u202fb\u2028"}) {
    EXPECT_FALSE(check_name("name", hidden)) << hidden;
  }
  EXPECT_TRUE(check_name("name", "\u2764\ufe0f"));
  EXPECT_FALSE(check_name("name", "\u3000a"));
}

TEST(R7_1, AddressesOnlyLoseTheirCase) {
  EXPECT_EQ(fold_address("Jürgen@Example.ORG"), "jürgen@example.org");
  EXPECT_NE(fold_address("straße@x.example"), fold_address("strasse@x.example"));
}

TEST(R7_1, Passwords) {
  EXPECT_TRUE(check_password("0123456789", "somebody", 10));
  EXPECT_FALSE(check_password("012345678", "somebody", 10));
  EXPECT_TRUE(check_password("öäüöäüöäüö", "somebody", 10)) << "characters count, not bytes";
  EXPECT_FALSE(check_password("öäüöä", "somebody", 10));
  EXPECT_FALSE(check_password(std::string(1025, 'x'), "somebody", 10));
  EXPECT_FALSE(check_password("Some-Body-Long", "some-body-long", 10));
}

TEST(R7_1, NetworksContain) {
  const auto networks =
      Networks::parse({"10.0.0.0/8", "192.0.2.128/25", "198.51.100.7", "2001:db8::/33", "0.0.0.0/32"}).value();
  const auto contains = [&](const char* text) { return networks.contains(parse_address(text).value()); };
  for (const auto* inside : {"10.255.0.1", "192.0.2.200", "198.51.100.7", "::ffff:10.0.0.1", "2001:db8:7fff::1"})
    EXPECT_TRUE(contains(inside)) << inside;
  for (const auto* outside : {"11.0.0.1", "192.0.2.1", "198.51.100.8", "2001:db8:8000::1", "::a00:1", "::1"})
    EXPECT_FALSE(contains(outside)) << outside;
  EXPECT_TRUE(Networks::parse({"0.0.0.0/0"})->contains(parse_address("203.0.113.1").value()));
  EXPECT_FALSE(Networks::parse({"0.0.0.0/0"})->contains(parse_address("2001:db8::1").value()));
  for (const auto* bad :
       {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0/8", "host", "10.0.0.0/-1", "10.0.0.0/8 "}) {
    EXPECT_FALSE(Networks::parse({bad})) << bad;
  }
}

TEST(R7_1, AttemptsAreForgottenAndBounded) {
  Attempts attempts(2, std::chrono::minutes{1}, 3);
  EXPECT_TRUE(attempts.begin("a", kStart));
  EXPECT_TRUE(attempts.begin("a", kStart));
  EXPECT_EQ(attempts.begin("a", kStart + std::chrono::seconds{30}).error().fields.back().second, "30");
  attempts.succeeded("a");
  EXPECT_TRUE(attempts.begin("a", kStart));
  attempts.withdraw("a");
  EXPECT_TRUE(attempts.begin("a", kStart));
  EXPECT_TRUE(attempts.begin("a", kStart));
  EXPECT_FALSE(attempts.begin("a", kStart));
  EXPECT_TRUE(attempts.begin("a", kStart + std::chrono::minutes{1}));
  for (const auto* key : {"b", "c", "d", "e"}) EXPECT_TRUE(attempts.begin(key, kStart + std::chrono::minutes{1}));
  EXPECT_EQ(attempts.size(), 3U);
}

PrincipalCache::Entry entry_of(const std::string& user) {
  auto principal = std::make_shared<Principal>();
  principal->user = UserId(user);
  return {principal, TimePoint::max(), kStart};
}

TEST(R7_2, CacheForgets) {
  PrincipalCache cache(2);
  cache.put("1", entry_of("a"), kStart, cache.generation());
  cache.put("2", entry_of("b"), kStart, cache.generation());
  EXPECT_NE(cache.find("1", kStart), nullptr);
  cache.put("3", entry_of("a"), kStart, cache.generation());
  EXPECT_EQ(cache.find("2", kStart), nullptr) << "the longest unused makes room";
  const auto before = cache.generation();
  cache.forget_user(UserId("a"));
  EXPECT_EQ(cache.size(), 0U);
  cache.put("1", entry_of("a"), kStart, before);
  EXPECT_EQ(cache.find("1", kStart), nullptr) << "what was read before a revocation is not kept after it";
}

TEST(R7_2, CacheBelievesNothingForLong) {
  PrincipalCache cache;
  cache.put("1", entry_of("a"), kStart, cache.generation());
  EXPECT_NE(cache.find("1", kStart + PrincipalCache::kFresh - Duration{1}), nullptr);
  EXPECT_EQ(cache.find("1", kStart + PrincipalCache::kFresh), nullptr);
  auto ending = entry_of("a");
  ending.ends = kStart + std::chrono::seconds{1};
  cache.put("2", ending, kStart, cache.generation());
  EXPECT_EQ(cache.find("2", kStart + std::chrono::seconds{1}), nullptr);
}

TEST(R7_1, TokensHaveTheirForm) {
  const auto token = new_token();
  EXPECT_TRUE(looks_like_token(token.reveal()));
  EXPECT_FALSE(looks_like_token(token.reveal() + "x"));
  EXPECT_FALSE(looks_like_token("ty_" + std::string(39, 'a') + "-"));
  EXPECT_NE(new_token().reveal(), token.reveal());
  EXPECT_TRUE(looks_like_random_value(new_random_value().reveal()));
  // BLAKE2b-256 of "abc", as b2sum -l 256 prints it.
  EXPECT_EQ(fingerprint("abc"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

}  // namespace
}  // namespace tiltyard::identity
