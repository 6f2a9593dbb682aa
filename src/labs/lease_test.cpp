#include "labs/lease.h"

#include <gtest/gtest.h>

namespace tiltyard::labs {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

const TimePoint kStart = from_micros(1'767'225'600'000'000);  // 2026-01-01T00:00:00Z

templates::LeasePolicy ctf() {
  templates::LeasePolicy policy;
  policy.timeout = 3600s;
  policy.extend_by = 1800s;
  policy.extend_after = 1800s;
  policy.max_added = 3600s;
  return policy;
}

templates::LeasePolicy academy() {
  templates::LeasePolicy policy;
  policy.name = "academy";
  policy.timeout = 1h;
  policy.by_context = {{"exam", 3h}};
  policy.extend_by = 1h;
  policy.extend_within = 1h;
  policy.max_extensions = 1;
  policy.max_total = 6h;
  return policy;
}

TEST(R1_8, CtfExtendsOnlyAfterHalfAndAddsAtMostTheTimeout) {
  const auto policy = ctf();
  LeaseState lease{kStart, kStart + 3600s, 0, 0s};
  const auto early = extend(policy, lease, kStart + 1799s);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().reason, "not-extendable-yet");
  EXPECT_EQ(early.error().fields.at(0).second, to_rfc3339(kStart + 1800s));
  for (int round = 1; round <= 2; ++round) {
    const auto longer = extend(policy, lease, kStart + 1800s);
    ASSERT_TRUE(longer);
    EXPECT_EQ(longer->expires_at, kStart + 3600s + round * 1800s);
    lease = *longer;
  }
  const auto third = extend(policy, lease, kStart + 1900s);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().reason, "extension-exhausted");
  EXPECT_FALSE(extendable_at(policy, lease));
}

TEST(R1_8, TheLastExtensionIsCutToWhatMayBeAdded) {
  auto policy = ctf();
  policy.extend_by = 2500s;
  LeaseState lease{kStart, kStart + 3600s, 0, 0s};
  lease = *extend(policy, lease, kStart + 1800s);
  lease = *extend(policy, lease, kStart + 1800s);
  EXPECT_EQ(lease.added, 3600s);
}

TEST(R1_8, AcademyGoesByContextOnceAndInTheLastHour) {
  const auto policy = academy();
  EXPECT_EQ(first_lease(policy, ""), seconds(1h));
  EXPECT_EQ(first_lease(policy, "exam"), seconds(3h));
  LeaseState lease{kStart, kStart + 3h, 0, 0s};
  EXPECT_EQ(extendable_at(policy, lease), kStart + 2h);
  EXPECT_EQ(extend(policy, lease, kStart + 2h - 1s).error().reason, "not-extendable-yet");
  lease = *extend(policy, lease, kStart + 2h);
  EXPECT_EQ(lease.expires_at, kStart + 4h);
  EXPECT_EQ(extend(policy, lease, kStart + 3h + 30min).error().reason, "extension-exhausted");
}

TEST(R1_8, AcademyNeverGoesPastSixHoursInAll) {
  auto policy = academy();
  policy.max_extensions = 0;
  LeaseState lease{kStart, kStart + 5h + 30min, 5, 0s};
  lease = *extend(policy, lease, kStart + 5h);
  EXPECT_EQ(lease.expires_at, kStart + 6h);
  EXPECT_EQ(extend(policy, lease, kStart + 5h + 59min).error().reason, "extension-exhausted");
}

TEST(R1_8, AnEndedLeaseIsNotExtended) {
  const LeaseState lease{kStart, kStart + 3600s, 0, 0s};
  EXPECT_EQ(extend(ctf(), lease, kStart + 3600s).error().reason, "lease-ended");
}

TEST(R1_8, ChatLeasesEndAtTheDailySweep) {
  templates::LeasePolicy policy;
  policy.sweep_at = "18:00";
  EXPECT_EQ(expiry_due(policy, kStart + 17h), kStart + 18h);
  EXPECT_EQ(expiry_due(policy, kStart + 18h), kStart + 18h);
  EXPECT_EQ(expiry_due(policy, kStart + 18h + 1s), kStart + 18h + 24h);
  policy.sweep_at.clear();
  EXPECT_EQ(expiry_due(policy, kStart + 17h), kStart + 17h);
}

}  // namespace
}  // namespace tiltyard::labs
