#include "net/budget.h"

#include <gtest/gtest.h>

namespace tiltyard::net {
namespace {

constexpr std::size_t kMiB = 1 << 20;

std::shared_ptr<Budget> small() { return std::make_shared<Budget>(BudgetOptions{32 * kMiB, 8 * kMiB, 4 * kMiB}); }

TEST(R10_6, TheFirstPieceIsFree) {
  const auto budget = small();
  Claim claim(budget, 1);
  EXPECT_TRUE(claim.cover(Claim::kPiece));
  EXPECT_FALSE(claim.holds());
  EXPECT_EQ(budget->load(), 0.0);
  EXPECT_TRUE(claim.cover(Claim::kPiece + 1));
  EXPECT_TRUE(claim.holds());
  EXPECT_GT(budget->load(), 0.0);
  claim.release();
  EXPECT_EQ(budget->load(), 0.0);
  EXPECT_TRUE(Claim().cover(1UL << 40)) << "without a budget nothing is counted";
}

TEST(R10_6, AnAddressHasItsShareAndAllHaveTheWhole) {
  const auto budget = small();
  std::vector<Claim> claims;
  for (Holder address = 1; address <= 4; ++address) {
    EXPECT_TRUE(claims.emplace_back(budget, address).cover(8 * kMiB + Claim::kPiece));
    Claim another(budget, address);
    EXPECT_FALSE(another.cover(2 * Claim::kPiece)) << "the address has its share";
    EXPECT_EQ(budget->refusal().code, address < 4 ? Code::kLimited : Code::kUnavailable);
  }
  Claim late(budget, 5);
  EXPECT_FALSE(late.cover(2 * Claim::kPiece)) << "nothing is left";
  claims.clear();
  EXPECT_TRUE(late.cover(2 * Claim::kPiece));
}

TEST(R10_6, AUserHasOneShareFromEverywhere) {
  const auto budget = small();
  Claim here(budget, 1), there(budget, 2), other(budget, 2);
  here.count_for(Claim::Of::kUser, 7);
  there.count_for(Claim::Of::kUser, 7);
  other.count_for(Claim::Of::kUser, 8);
  EXPECT_TRUE(here.cover(4 * kMiB + Claim::kPiece));
  EXPECT_FALSE(there.cover(2 * Claim::kPiece));
  EXPECT_TRUE(other.cover(4 * kMiB));
  here.release();
  EXPECT_TRUE(there.cover(2 * Claim::kPiece));
}

TEST(R10_6, WhomNobodyKnowsHasLittleUntilSomebodyDoes) {
  const auto budget = small();
  std::vector<Claim> claims;
  for (Holder address = 1; address <= 4; ++address) {
    auto& claim = claims.emplace_back(budget, address);
    claim.count_for(Claim::Of::kStrangers);
    EXPECT_TRUE(claim.cover(kMiB + Claim::kPiece));
    EXPECT_FALSE(claim.cover(kMiB + Claim::kPiece + 1));
  }
  Claim fifth(budget, 5);
  fifth.count_for(Claim::Of::kStrangers);
  EXPECT_FALSE(fifth.cover(2 * Claim::kPiece)) << "all strangers together";
  fifth.count_for(Claim::Of::kUser, 7);
  EXPECT_TRUE(fifth.cover(2 * Claim::kPiece));
  claims.front().count_for(Claim::Of::kUser, 8);
  EXPECT_TRUE(claims.front().cover(2 * kMiB));
}

}  // namespace
}  // namespace tiltyard::net
