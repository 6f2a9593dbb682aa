// What a pass is good for, and what is not one.
#include "gateway/door.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <chrono>

#include "gateway/rewrite.h"

namespace tiltyard::gateway {
namespace {

constexpr Millis kNow = 1'800'000'000'000;
constexpr DoorPlace kHere{"01INSTANCE", "abc.t.test"};

DoorKey key(std::uint8_t id) {
  DoorKey made{id, {}};
  made.secret.fill(static_cast<unsigned char>(id + 1));
  return made;
}

class R2_4_Door : public ::testing::Test {
 protected:
  R2_4_Door() {
    EXPECT_GE(sodium_init(), 0);
    book_.use({key(1)});
  }
  std::string minted(Pass::Kind kind, DoorPlace place = kHere, std::uint32_t lives = 3600) {
    return book_.mint({kind, party_of("zoe"), party_of("team"), kNow, lives}, place);
  }
  bool good(std::string_view text, Pass::Kind kind, DoorPlace place = kHere, Millis now = kNow) {
    return book_.check(text, kind, place, now).has_value();
  }
  DoorBook book_;
};

TEST_F(R2_4_Door, APassSaysWhoAndSinceWhen) {
  const auto text = minted(Pass::Kind::kCookie);
  ASSERT_EQ(text.size(), kPassText);
  const auto pass = book_.check(text, Pass::Kind::kCookie, kHere, kNow);
  ASSERT_TRUE(pass);
  EXPECT_EQ(pass->visitor, party_of("zoe"));
  EXPECT_EQ(pass->via, party_of("team"));
  EXPECT_EQ(pass->issued, kNow);
  EXPECT_EQ(pass->lives, 3600U);
}

TEST_F(R2_4_Door, EveryChangedCharacterIsForged) {
  const auto text = minted(Pass::Kind::kCookie);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char other : {'a', 'b', 'q', '7'}) {
      auto forged = text;
      forged[i] = other;
      if (forged != text) EXPECT_FALSE(good(forged, Pass::Kind::kCookie)) << i;
    }
  }
  EXPECT_FALSE(good(text + "a", Pass::Kind::kCookie));
  EXPECT_FALSE(good(text.substr(1), Pass::Kind::kCookie));
  EXPECT_FALSE(good("", Pass::Kind::kCookie));
  EXPECT_FALSE(good(std::string(kPassText, '='), Pass::Kind::kCookie));
}

TEST_F(R2_4_Door, ItIsOfOneKindOneHostAndOneInstance) {
  const auto text = minted(Pass::Kind::kCookie);
  EXPECT_TRUE(good(text, Pass::Kind::kCookie));
  EXPECT_FALSE(good(text, Pass::Kind::kGrant));
  EXPECT_FALSE(good(text, Pass::Kind::kToken));
  EXPECT_FALSE(good(text, Pass::Kind::kCookie, {"01INSTANCE", "abd.t.test"}));
  EXPECT_FALSE(good(text, Pass::Kind::kCookie, {"01INSTANCE", ""}));
  EXPECT_FALSE(good(text, Pass::Kind::kCookie, {"02INSTANCE", "abc.t.test"}));
  // What is said for two names together is not said for two others that come to the same letters.
  const auto joined = minted(Pass::Kind::kCookie, {"ab", "c"});
  EXPECT_FALSE(good(joined, Pass::Kind::kCookie, {"a", "bc"}));
  EXPECT_EQ(minted(Pass::Kind::kCookie, {"i", std::string(300, 'x')}), "");
}

TEST_F(R2_4_Door, ItEnds) {
  const auto cookie = minted(Pass::Kind::kCookie, kHere, 60);
  EXPECT_TRUE(good(cookie, Pass::Kind::kCookie, kHere, kNow + 59'999));
  EXPECT_FALSE(good(cookie, Pass::Kind::kCookie, kHere, kNow + 60'000));
  const auto grant = minted(Pass::Kind::kGrant);
  EXPECT_TRUE(good(grant, Pass::Kind::kGrant, kHere, kNow + 29'999));
  EXPECT_FALSE(good(grant, Pass::Kind::kGrant, kHere, kNow + 30'000));
  // Nor does it begin long after now: somebody's clock is wrong.
  EXPECT_TRUE(good(cookie, Pass::Kind::kCookie, kHere, kNow - 60'000));
  EXPECT_FALSE(good(cookie, Pass::Kind::kCookie, kHere, kNow - 60'001));
}

TEST_F(R2_4_Door, KeysRotate) {
  const auto old = minted(Pass::Kind::kCookie);
  book_.use({key(2), key(1)});
  EXPECT_TRUE(good(old, Pass::Kind::kCookie));
  const auto fresh = minted(Pass::Kind::kCookie);
  EXPECT_NE(old, fresh);
  book_.use({key(3), key(2)});
  EXPECT_FALSE(good(old, Pass::Kind::kCookie));
  EXPECT_TRUE(good(fresh, Pass::Kind::kCookie));
  // Another secret under the same number is another key.
  auto same = key(2);
  same.secret.fill(77);
  book_.use({same});
  EXPECT_FALSE(good(fresh, Pass::Kind::kCookie));
  book_.use({});
  EXPECT_EQ(minted(Pass::Kind::kCookie), "");
}

TEST_F(R2_4_Door, WhatIsRevokedLetsNobodyInAndWhatComesAfterDoes) {
  for (const auto* party : {"zoe", "team"}) {
    DoorBook book;
    book.use({key(1)});
    const Pass pass{Pass::Kind::kCookie, party_of("zoe"), party_of("team"), kNow, 3600};
    auto later = pass;
    later.issued = kNow + 1;
    const auto before = book.mint(pass, kHere), after = book.mint(later, kHere);
    book.revoke(party_of("mia"), kNow);
    EXPECT_TRUE(book.check(before, Pass::Kind::kCookie, kHere, kNow));
    book.revoke(party_of(party), kNow);
    EXPECT_FALSE(book.check(before, Pass::Kind::kCookie, kHere, kNow)) << party;
    EXPECT_TRUE(book.check(after, Pass::Kind::kCookie, kHere, kNow));
    book.revoke(party_of(party), kNow - 5);  // an older word takes nothing back
    EXPECT_FALSE(book.check(before, Pass::Kind::kCookie, kHere, kNow));
  }
  const auto cookie = minted(Pass::Kind::kCookie);
  book_.revoke(0, kNow);
  EXPECT_FALSE(good(cookie, Pass::Kind::kCookie));
}

TEST_F(R2_4_Door, TooManyRevocationsAreOneOfAll) {
  const auto cookie = minted(Pass::Kind::kCookie);
  for (int i = 0; i <= 100'000; ++i) book_.revoke(party_of("u" + std::to_string(i)), kNow);
  EXPECT_FALSE(good(cookie, Pass::Kind::kCookie));
}

TEST_F(R2_4_Door, AmongOthersOfTheSameNameTheRightOneCounts) {
  const auto cookie = minted(Pass::Kind::kCookie);
  const std::string good_one = "tiltyard-door=" + cookie;
  EXPECT_TRUE(book_.visitor("a=b; " + good_one, false, kHere, kNow));
  EXPECT_TRUE(book_.visitor("tiltyard-door=thrown; " + good_one + "; c", false, kHere, kNow));
  EXPECT_FALSE(book_.visitor("x" + good_one, false, kHere, kNow));
  // What a plain connection could have set counts for nothing on a secure one.
  EXPECT_FALSE(book_.visitor(good_one, true, kHere, kNow));
  EXPECT_TRUE(book_.visitor("__Host-" + good_one, true, kHere, kNow));
  // A program brings its token in the cookie's place, on any host of the instance.
  const auto token = minted(Pass::Kind::kToken, {kHere.instance, {}});
  EXPECT_TRUE(book_.visitor("tiltyard-door=" + token, false, kHere, kNow));
  std::string many;
  for (int i = 0; i < 8; ++i) many += "tiltyard-door=thrown; ";
  EXPECT_FALSE(book_.visitor(many + good_one, false, kHere, kNow));
}

TEST_F(R2_4_Door, AnAddressIsItsOwnersUntilItEnds) {
  const net::Holder owner = 1, other = 2, address = 77;
  book_.know(owner, address, {party_of("zoe"), 0, kNow, kNow + 1000});
  EXPECT_TRUE(book_.known(owner, address, kNow + 999));
  EXPECT_FALSE(book_.known(owner, address, kNow + 1000));
  EXPECT_FALSE(book_.known(other, address, kNow));
  EXPECT_FALSE(book_.known(owner, 78, kNow));
  book_.revoke(party_of("zoe"), kNow);
  EXPECT_FALSE(book_.known(owner, address, kNow));
}

TEST_F(R2_4_Door, AGrantIsUsedOnce) {
  DoorMemory memory;
  const auto one = minted(Pass::Kind::kGrant);
  const auto two = book_.mint({Pass::Kind::kGrant, party_of("zoe"), 0, kNow + 1, 3600}, kHere);
  EXPECT_TRUE(memory.use_up(one, kNow));
  EXPECT_FALSE(memory.use_up(one, kNow));
  EXPECT_FALSE(memory.use_up(one, kNow + 29'999));
  EXPECT_TRUE(memory.use_up(two, kNow));
}

TEST_F(R2_4_Door, ThreeWrongTokensAMinute) {
  DoorMemory memory;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(memory.may_try(7, kNow));
    memory.tried_in_vain(7, kNow);
  }
  EXPECT_FALSE(memory.may_try(7, kNow));
  EXPECT_TRUE(memory.may_try(8, kNow));
  EXPECT_TRUE(memory.may_try(7, kNow + 60'000));
}

TEST_F(R2_4_Door, NoMachineSeesOrSetsTheCookieOfTheGateway) {
  const std::string cookie = "tiltyard-door=" + minted(Pass::Kind::kCookie);
  const std::string bytes = "GET / HTTP/1.1\r\nHost: abc.t.test\r\nCookie: a=1; " + cookie +
                            ";b=2\r\nCookie: " + cookie +
                            "\r\nCookie: __Host-TILTYARD-door=x\r\nCookie: plain=1; tiltyard-doors=2\r\n\r\n";
  RequestHead head;
  ASSERT_FALSE(parse_request(bytes, head));
  std::string out;
  write_request_head(head, {"192.0.2.1", "192.0.2.1"}, out);
  EXPECT_EQ(out.find("tiltyard-door="), out.npos) << out;
  EXPECT_EQ(out.find("TILTYARD"), out.npos) << out;
  EXPECT_NE(out.find("\r\nCookie: a=1; b=2\r\n"), out.npos) << out;
  EXPECT_NE(out.find("\r\nCookie: plain=1; tiltyard-doors=2\r\n"), out.npos) << out;
  EXPECT_EQ(out.find("Cookie: \r\n"), out.npos) << out;

  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nClear-Site-Data: \"cookies\"\r\nSet-Cookie: a=1; Path=/\r\n"
      "Set-Cookie: tiltyard-door=x; Path=/\r\nSet-Cookie: __Host-Tiltyard-Door=x; Secure; Path=/\r\n"
      "Set-Cookie: =tiltyard-door=x\r\nSet-Cookie: b=tiltyard-door=x; Domain=t.test\r\n\r\n";
  ResponseHead response;
  ASSERT_FALSE(parse_response(answer, false, response));
  out.clear();
  write_response_head(response, {1, true, false}, out);
  EXPECT_NE(out.find("Set-Cookie: a=1; Path=/\r\n"), out.npos) << out;
  EXPECT_NE(out.find("Set-Cookie: b=tiltyard-door=x\r\n"), out.npos) << out;
  EXPECT_EQ(out.find(": tiltyard-door"), out.npos) << out;
  EXPECT_EQ(out.find("=tiltyard-door=x\r\nSet-Cookie: b"), out.npos) << out;
  EXPECT_EQ(out.find("__Host-"), out.npos) << out;
  EXPECT_EQ(out.find("Clear-Site-Data"), out.npos) << out;
}

// Prints what it takes; the bound is far above, since the machine may be loaded and the build has no optimisation.
TEST_F(R2_4_Door, TheCheckIsCheap) {
  const std::string field = "session=0123456789abcdef; tiltyard-door=" + minted(Pass::Kind::kCookie) + "; theme=dark";
  constexpr int kTimes = 20'000;
  int in = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) in += book_.visitor(field, false, kHere, kNow) ? 1 : 0;
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(in, kTimes);
  const double each = std::chrono::duration<double, std::micro>(took).count() / kTimes;
  std::printf("one check of an owner's cookie: %.3f us\n", each);
  RecordProperty("us_per_check", std::to_string(each));
}

}  // namespace
}  // namespace tiltyard::gateway
