#include "tls/certificates.h"

#include <gmock/gmock.h>
#include <malloc.h>

#include <thread>

#include "tls/testing.h"

namespace tiltyard::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make;
using testing::Wishes;
using namespace std::chrono_literals;

class R2_2_Certificates : public ::testing::Test {
 protected:
  void put(const std::string& source, const Wishes& wishes) {
    const auto made = make(wishes);
    const auto done = shelf_.put(source, made.chain, made.key);
    ASSERT_TRUE(done) << done.error().message << done.error().cause;
  }
  std::string source_of(std::string_view name) const {
    const auto found = shelf_.find(name);
    if (!found) return "none";
    for (const auto& each : shelf_.list()) {
      if (each.names == found->names()) return each.source;
    }
    return "gone";
  }
  std::string refused(const std::string& chain, const Secret& key) {
    const auto done = shelf_.put("bad", chain, key);
    return done ? "taken" : done.error().reason;
  }

  ManualClock clock_{std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())};
  Certificates shelf_{clock_};
};

TEST_F(R2_2_Certificates, AreChosenByNameExactBeforeWildcardBeforeTheDefault) {
  put("wild", {.names = {"DNS:*.Range.example"}});
  put("one", {.names = {"DNS:web.range.example", "DNS:range.example"}});
  put("other", {.names = {"DNS:ctf.example"}});
  EXPECT_EQ(source_of("web.range.example"), "one");
  EXPECT_EQ(source_of("a.range.example"), "wild");
  EXPECT_EQ(source_of("range.example"), "one");
  EXPECT_EQ(source_of("a.b.range.example"), "none") << "a wildcard is one label";
  EXPECT_EQ(source_of(".range.example"), "none") << "and not an empty one";
  EXPECT_EQ(source_of("elsewhere.example"), "none");
  EXPECT_EQ(source_of(""), "none");
  shelf_.set_default("other");
  EXPECT_EQ(source_of("elsewhere.example"), "other");
  EXPECT_EQ(source_of(""), "other");
  EXPECT_TRUE(shelf_.covers("a.range.example"));
  EXPECT_FALSE(shelf_.covers("elsewhere.example")) << "the default is for no other name";
  shelf_.drop("one");
  EXPECT_EQ(source_of("web.range.example"), "wild");
  EXPECT_EQ(source_of("range.example"), "other");
}

TEST_F(R2_2_Certificates, OneThatHasExpiredServesOnlyWhereNothingElseDoesAndTheListSaysSo) {
  put("exact", {.names = {"DNS:a.example.org"}, .to_seconds = 3600});
  put("wild", {.names = {"DNS:*.example.org"}});
  EXPECT_EQ(source_of("a.example.org"), "exact");
  clock_.advance(2h);
  EXPECT_EQ(source_of("a.example.org"), "wild");
  shelf_.drop("wild");
  EXPECT_EQ(source_of("a.example.org"), "exact");
  EXPECT_FALSE(shelf_.covers("a.example.org"));
  ASSERT_EQ(shelf_.list().size(), 1U);
  EXPECT_THAT(shelf_.list()[0].problem, HasSubstr("expired on 20"));
  put("later", {.names = {"DNS:b.example.org"}, .from_seconds = 86'000, .to_seconds = 90'000});
  EXPECT_THAT(shelf_.list()[1].problem, HasSubstr("not valid before"));
}

TEST_F(R2_2_Certificates, OfTwoForANameTheOneThatLastsLongestServes) {
  put("short", {.names = {"DNS:a.example"}, .to_seconds = 3600});
  put("long", {.names = {"DNS:a.example", "DNS:b.example"}, .to_seconds = 7200});
  put("shorter", {.names = {"DNS:a.example", "DNS:c.example"}, .to_seconds = 1800});
  EXPECT_EQ(source_of("a.example"), "long");
}

TEST_F(R2_2_Certificates, ANewOneTakesThePlaceOfTheSameSourcesAndABadOneLeavesIt) {
  put("file", {.names = {"DNS:old.example"}, .issuer = "An Authority"});
  const auto held = shelf_.find("old.example");
  put("file", {.names = {"DNS:new.example"}, .issuer = "An Authority"});
  EXPECT_EQ(source_of("old.example"), "none");
  EXPECT_EQ(source_of("new.example"), "file");
  EXPECT_THAT(held->names(), ElementsAre("old.example")) << "a handshake under way keeps what it has taken";
  EXPECT_EQ(shelf_.list()[0].issuer, "An Authority");

  const auto one = make("DNS:x.example"), two = make("DNS:x.example");
  EXPECT_FALSE(shelf_.put("file", one.chain, two.key));
  EXPECT_EQ(source_of("new.example"), "file");
  EXPECT_THAT(shelf_.list()[0].problem, HasSubstr("not that of the certificate"));
  put("file", {.names = {"DNS:new.example"}});
  EXPECT_EQ(shelf_.list()[0].problem, "");
}

TEST_F(R2_2_Certificates, WhatCannotBeUsedIsRefusedWithItsReason) {
  const auto good = make("DNS:a.example"), other = make("DNS:a.example");
  EXPECT_EQ(refused("", good.key), "certificate-unreadable");
  EXPECT_EQ(refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", good.key),
            "certificate-unreadable");
  EXPECT_EQ(refused(good.chain + "-----BEGIN CERTIFICATE-----\nAAAA\n", good.key), "certificate-unreadable");
  EXPECT_EQ(refused(std::string(300'000, 'x'), good.key), "certificate-unreadable");
  EXPECT_EQ(refused(good.chain, Secret("nothing")), "key-unreadable");
  EXPECT_EQ(refused(good.chain, other.key), "key-mismatch");
  const auto weak = make(Wishes{.names = {"DNS:a.example"}, .rsa_bits = 1024});
  EXPECT_EQ(refused(weak.chain, weak.key), "certificate-weak");
  const auto strong = make(Wishes{.names = {"DNS:a.example"}, .rsa_bits = 2048});
  EXPECT_EQ(refused(strong.chain, strong.key), "taken");
  std::string many;
  for (int i = 0; i < 20; ++i) many += good.chain;
  EXPECT_EQ(refused(many, good.key), "certificate-unreadable");
}

TEST_F(R2_2_Certificates, NamesThatAreNoTextAreLeftOut) {
  put("file", {.names = {"DNS:a\xff.example", "DNS:b.example"}});
  EXPECT_THAT(shelf_.list()[0].names, ElementsAre("b.example"));
}

TEST_F(R2_2_Certificates, ChainsThatAreTheSameAreKeptOnce) {
  const auto one = make(Wishes{.names = {"DNS:a.example"}, .issuer = "CA"});
  ASSERT_TRUE(shelf_.put("a", one.chain, one.key));
  ASSERT_TRUE(shelf_.put("b", one.chain, one.key));
  EXPECT_EQ(sk_X509_num(shelf_.find("a.example")->chain().get()), 1);
  EXPECT_EQ(shelf_.find("a.example")->chain().use_count(), 2);
}

TEST_F(R2_2_Certificates, ChallengesAreApart) {
  const auto made = make("DNS:a.example");
  ASSERT_TRUE(shelf_.put_challenge("a.example", made.chain, made.key));
  EXPECT_TRUE(shelf_.find_challenge("a.example"));
  EXPECT_FALSE(shelf_.find_challenge("b.example"));
  EXPECT_FALSE(shelf_.find("a.example"));
  EXPECT_TRUE(shelf_.list().empty());
  shelf_.drop_challenge("a.example");
  EXPECT_FALSE(shelf_.find_challenge("a.example"));
}

TEST_F(R2_2_Certificates, OneMoreCostsLessThan6KB) {
  const auto allocated = [] { return mallinfo2().uordblks; };
  std::vector<testing::Made> made;
  for (int i = 0; i < 64; ++i)
    made.push_back(make(Wishes{.names = {"DNS:name-" + std::to_string(i) + ".example"}, .issuer = "CA"}));
  put("first", {.names = {"DNS:first.example"}});
  const auto before = allocated();
  for (std::size_t i = 0; i < made.size(); ++i)
    ASSERT_TRUE(
        shelf_.put(std::to_string(i), made[i].chain.substr(0, made[i].chain.find("-----END") + 27), made[i].key));
  // An allocator that does not tell (of a sanitizer) counts nothing.
  EXPECT_LT((allocated() - before) / made.size(), 6'000U);
}

TEST_F(R2_2_Certificates, AreReadWhileTheyChange) {
  const auto made = make("DNS:a.example");
  ASSERT_TRUE(shelf_.put("x", made.chain, made.key));
  std::atomic<bool> ended{false};
  std::atomic<int> missed{0};
  std::thread reader([&] {
    while (!ended) missed += shelf_.find("a.example") ? 0 : 1;
  });
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(shelf_.put("x", made.chain, made.key));
  ended = true;
  reader.join();
  EXPECT_EQ(missed, 0);
}

}  // namespace
}  // namespace tiltyard::tls
