#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "base/clock.h"
#include "base/endpoint_kind.h"
#include "base/id.h"
#include "base/secret.h"

namespace tiltyard {
namespace {

TEST(R11_5, TimesArePrintedAndReadAsRfc3339) {
  const TimePoint time = from_micros(1'772'366'400'123'456);
  EXPECT_EQ(to_rfc3339(time), "2026-03-01T12:00:00.123Z");
  EXPECT_EQ(parse_rfc3339("2026-03-01T12:00:00.123456Z").value(), time);
  EXPECT_EQ(parse_rfc3339("2026-03-01t14:00:00.123456+02:00").value(), time);
  EXPECT_EQ(parse_rfc3339("2026-03-01T06:30:00.123456-05:30").value(), time);
  EXPECT_EQ(to_rfc3339(parse_rfc3339("2024-02-29T23:59:60Z").value()), "2024-03-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(from_micros(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_micros(parse_rfc3339("1970-01-01T00:00:00.1234569Z").value()), 123456) << "beyond microseconds is cut";
}

TEST(R11_5, WhatIsNoTimeIsRefused) {
  for (const char* bad :
       {"", "now", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T12:00:00Z", "2026-02-30T12:00:00Z",
        "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z", "2026-03-01T12:00:61Z", "2026-03-01T12:00:00Zx",
        "2026-03-01T12:00:00+2:00", "2026-03-01T12:00:00+0200", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00+25:00",
        "2026-03-01T12:00:00+02:99", "-026-03-01T12:00:00Z", "2026-03-01T12:00:-1Z", "2026-03-01T12:00:00 +2:00",
        "2026-3-1T1:2:3Z"}) {
    const auto read = parse_rfc3339(bad);
    ASSERT_FALSE(read.has_value()) << bad;
    EXPECT_EQ(read.error().reason, "invalid-time") << bad;
  }
}

TEST(R2_1, AnEndpointsKindIsAWord) {
  for (const auto kind : {EndpointKind::kHttp, EndpointKind::kTcp, EndpointKind::kUdp, EndpointKind::kTls})
    EXPECT_EQ(endpoint_kind(word_of(kind)).value(), kind);
  for (const char* other : {"", "HTTP", "https", "sctp"}) {
    EXPECT_EQ(endpoint_kind(other).error().reason, "kind-unknown") << other;
  }
}

TEST(R11_5, IdsAreUniqueAndSortByTime) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = new_ulid();
    ASSERT_EQ(id.size(), 26u);
    ASSERT_EQ(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos) << id;
    ASSERT_LE(id.front(), '7') << "48 bits of time leave three bits for the first symbol";
    ASSERT_TRUE(seen.insert(id).second);
  }
  // The time is the first ten symbols: 2020 to 2100 in milliseconds.
  static constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::int64_t time = 0;
  const std::string id = new_ulid();
  for (const char c : id.substr(0, 10)) time = time * 32 + static_cast<std::int64_t>(kAlphabet.find(c));
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  EXPECT_LE(time, now.count());
  EXPECT_GE(time, now.count() - 10'000);
}

TEST(R11_5, RandomTextIsHexadecimalAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = random_hex(16);
    ASSERT_EQ(text.size(), 32u);
    ASSERT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
    ASSERT_TRUE(seen.insert(text).second);
  }
  EXPECT_EQ(random_hex(0), "");
  EXPECT_EQ(random_hex(1000).size(), 2000u) << "more than the kernel gives at once";
}

TEST(R10_6, SecretsDoNotPrintAndCompareByContent) {
  const Secret secret("hunter2");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str(), "***");
  EXPECT_TRUE(secret.equals("hunter2"));
  EXPECT_FALSE(secret.equals("hunter3"));
  EXPECT_FALSE(secret.equals("hunter"));
  EXPECT_FALSE(secret.equals(""));
  EXPECT_TRUE(Secret().equals(""));
}

TEST(R10_6, ASecretThatIsMovedFromIsWiped) {
  Secret first("a secret that is too long for the small string buffer");
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the wipe is what is tested
  Secret third("short");
  third = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(third.reveal(), "a secret that is too long for the small string buffer");
  Secret small("tiny");
  Secret taken(std::move(small));
  EXPECT_TRUE(small.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(taken.reveal(), "tiny");
  EXPECT_EQ(std::string_view(small.reveal().data(), 4), std::string_view("\0\0\0\0", 4))
      << "nothing stays in its buffer";
  Secret& same = taken;
  taken = std::move(same);
  EXPECT_EQ(taken.reveal(), "tiny") << "moving onto itself keeps it";
}

TEST(R11_5, AClockThatATestTurns) {
  ManualClock clock(from_micros(1000));
  clock.advance(std::chrono::microseconds(5));
  EXPECT_EQ(to_micros(clock.now()), 1005);
  const TimePoint before = SystemClock().now();
  EXPECT_LE(before, SystemClock().now());
}

}  // namespace
}  // namespace tiltyard
