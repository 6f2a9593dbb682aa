// What may be done with an instance, what may follow, and what can be together.
#include <gtest/gtest.h>

#include <map>

#include "labs/hold.h"

namespace tiltyard::labs {
namespace {

/// Each row: from; each column: to, in the order of kAllDoings (nothing, spawning, claiming, pausing, waking, mending,
/// rerouting, stopping). A second writing of `may_follow`, as a picture.
constexpr std::array<std::string_view, 8> kMoves{
    //.SCPWMRE
    ".xxxxxxx",  // nothing
    "x....x.x",  // spawning
    "xx...x.x",  // claiming
    "x....x.x",  // pausing
    "x....x.x",  // waking
    "x....x.x",  // mending
    "x....x.x",  // rerouting
    "x.......",  // stopping
};

TEST(R1_6_Doing, EveryPairOfMovesIsDecided) {
  for (std::size_t from = 0; from < kAllDoings.size(); ++from) {
    for (std::size_t to = 0; to < kAllDoings.size(); ++to) {
      EXPECT_EQ(may_follow(kAllDoings[from], kAllDoings[to]), kMoves[from][to] == 'x')
          << to_string(kAllDoings[from]) << " to " << to_string(kAllDoings[to]);
    }
  }
}

TEST(R1_6_Doing, AStopOutweighsALook) {
  Work work;
  work.move(Doing::kPausing);
  work.ask(Next::kLook);
  EXPECT_FALSE(work.ending());
  work.ask(Next::kStop);
  work.ask(Next::kLook);
  EXPECT_TRUE(work.ending());
  EXPECT_FALSE(work.take_look());
  work.move(Doing::kStopping);
  work.move(Doing::kNothing);
  EXPECT_FALSE(work.ending()) << "nothing is left over for whoever comes next";
}

TEST(R1_6_Doing, ALookIsTakenOnceAndNotOfWhatEnds) {
  Work work;
  work.move(Doing::kMending);
  work.ask(Next::kLook);
  EXPECT_TRUE(work.take_look());
  EXPECT_FALSE(work.take_look());
  work.move(Doing::kStopping);
  work.ask(Next::kLook);
  EXPECT_FALSE(work.take_look());
}

TEST(R1_6_Doing, AHoldFreesWhenItGoes) {
  const auto live = std::make_shared<Live>();
  {
    Hold hold(live, Doing::kSpawning);
    EXPECT_FALSE(live->free());
    const Hold moved(std::move(hold));
    EXPECT_FALSE(live->free());
  }
  EXPECT_TRUE(live->free());
}

TEST(R1_6_Doing, EveryStateSaysWhatCanBeDoneInIt) {
  using enum InstanceState;
  // In the order of kAllDoings.
  const std::map<InstanceState, std::string_view> can{
      {kQueued, "xx.....x"}, {kPreparing, "xx.....x"}, {kStarting, "xx.....x"}, {kRunning, "xxxxxxxx"},
      {kPaused, "x..xxxxx"}, {kStopping, "x......x"},  {kStopped, "x......x"},  {kFailed, "x......x"}};
  ASSERT_EQ(can.size(), 8u);
  for (const auto& [state, row] : can) {
    for (std::size_t i = 0; i < kAllDoings.size(); ++i) {
      Live live;
      live.instance.state = state;
      if (kAllDoings[i] != Doing::kNothing) live.work.move(kAllDoings[i]);
      EXPECT_EQ(contradiction(live).empty(), row[i] == 'x') << to_string(state) << ", " << to_string(kAllDoings[i]);
    }
  }
}

TEST(R1_14_Doing, WhatIsKeptForAnOwnerHasNone) {
  Live live;
  live.instance.state = InstanceState::kRunning;
  live.instance.pool = PoolRole::kWaiting;
  live.kept = Kept::kFrozen;
  EXPECT_EQ(contradiction(live), "");
  live.claimant = std::string("ann");
  EXPECT_NE(contradiction(live), "") << "nobody claims it";
  live.work.move(Doing::kClaiming);
  EXPECT_EQ(contradiction(live), "");
  live.claimant.reset();
  live.instance.pool = PoolRole::kClaimed;
  live.instance.owner = "ann";
  EXPECT_EQ(contradiction(live), "") << "it is thawed behind the answer";
  live.work.move(Doing::kNothing);
  EXPECT_NE(contradiction(live), "");
  live.kept = Kept::kRunning;
  EXPECT_EQ(contradiction(live), "");
  live.instance.pool = PoolRole::kWaiting;
  EXPECT_NE(contradiction(live), "") << "it has an owner";
}

}  // namespace
}  // namespace tiltyard::labs
