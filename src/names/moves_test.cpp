#include "names/moves.h"

#include <gtest/gtest.h>

namespace tiltyard::names {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{Duration{1'800'000'000'000'000}};

Name free_name() {
  Name name;
  name.kind = Kind::kFree;
  name.state = State::kHeld;
  name.created_at = kNow - 1min;
  name.held_at = kNow - 1min;
  return name;
}

World up() {
  World world;
  world.target = Target::kUp;
  world.records = world.certificates = true;
  world.now = kNow;
  return world;
}

/// Makes moves until there is nothing to do, as the service does, and says which.
std::vector<Move> walk(Name name, World world) {
  std::vector<Move> moves;
  while (moves.size() < 20) {
    const auto move = next_move(name, world);
    if (move == Move::kNothing) return moves;
    moves.push_back(move);
    switch (move) {
      case Move::kWriteRecord:
        name.record = Record::kThere;
        break;
      case Move::kRoute:
        world.led = Led::kThere;
        break;
      case Move::kWantCertificate:
        name.certificate = world.wanted = true;
        break;
      case Move::kLeave:
        name.state = State::kLeaving;
        break;
      case Move::kDropRecord:
        name.record = Record::kNone;
        break;
      case Move::kUnroute:
        world.led = Led::kNowhere;
        break;
      case Move::kReleaseCertificate:
        name.certificate = false;
        break;
      case Move::kRest:
        name.state = State::kResting;
        name.rests_until = kNow + 1h;
        break;
      case Move::kFollow:
        world.target = Target::kUp;
        world.successor = false;
        break;
      case Move::kForget:
      case Move::kNothing:
        return moves;
    }
  }
  return moves;
}

using Moves = std::vector<Move>;

TEST(R2_6_Moves, AFreeNameIsLedThenWrittenThenCertified) {
  EXPECT_EQ(walk(free_name(), up()), (Moves{Move::kRoute, Move::kWriteRecord, Move::kWantCertificate}));
  auto wildcard = up();
  wildcard.records = wildcard.certificates = false;
  EXPECT_EQ(walk(free_name(), wildcard), (Moves{Move::kRoute}));
  auto coming = up();
  coming.target = Target::kComing;
  EXPECT_EQ(walk(free_name(), coming), Moves{});
}

TEST(R2_6_Moves, AfterARestartWhatLivesInTheProcessIsMadeAgain) {
  auto name = free_name();
  name.record = Record::kThere;
  name.certificate = true;
  EXPECT_EQ(walk(name, up()), (Moves{Move::kRoute, Move::kWantCertificate}));
  name.record = Record::kMaybe;
  EXPECT_EQ(walk(name, up()), (Moves{Move::kRoute, Move::kWriteRecord, Move::kWantCertificate}));
}

TEST(R2_6_Moves, TheRecordGoesBeforeAllElse) {
  auto name = free_name();
  name.certificate = true;
  auto gone = up();
  gone.target = Target::kGone;
  gone.led = Led::kThere;
  for (const auto record : {Record::kThere, Record::kMaybe}) {
    name.record = record;
    EXPECT_EQ(walk(name, gone),
              (Moves{Move::kLeave, Move::kDropRecord, Move::kUnroute, Move::kReleaseCertificate, Move::kRest}));
  }
  name.record = Record::kNone;
  EXPECT_EQ(walk(name, gone), (Moves{Move::kLeave, Move::kUnroute, Move::kReleaseCertificate, Move::kRest}));
  // Even if records are no longer written by now.
  name.record = Record::kThere;
  gone.records = gone.certificates = false;
  EXPECT_EQ(walk(name, gone).at(1), Move::kDropRecord);
}

TEST(R2_6_Moves, WhereItPointedBeforeIsTakenBackToo) {
  auto pointed = up();
  pointed.led = Led::kElsewhere;
  EXPECT_EQ(walk(free_name(), pointed).front(), Move::kRoute);
  pointed.target = Target::kGone;
  EXPECT_EQ(walk(free_name(), pointed), (Moves{Move::kLeave, Move::kUnroute, Move::kRest}));
  auto waits = free_name();
  waits.follow = true;
  EXPECT_EQ(walk(waits, pointed), Moves{Move::kUnroute});
}

TEST(R2_6_Moves, OneThatFollowsWaitsWithoutARecordAndGoesOn) {
  auto name = free_name();
  name.follow = true;
  name.record = Record::kThere;
  name.certificate = true;
  auto gone = up();
  gone.target = Target::kGone;
  gone.led = Led::kThere;
  gone.wanted = true;
  EXPECT_EQ(walk(name, gone), (Moves{Move::kDropRecord, Move::kUnroute}));
  gone.successor = true;
  EXPECT_EQ(walk(name, gone).front(), Move::kFollow);
}

TEST(R2_6_Moves, AnOwnDomainIsCertifiedOnceItLeadsHere) {
  auto name = free_name();
  name.kind = Kind::kOwn;
  name.address.is = Check::Is::kBad;
  EXPECT_EQ(walk(name, up()), (Moves{Move::kRoute}));
  name.address.is = Check::Is::kGood;
  EXPECT_EQ(walk(name, up()), (Moves{Move::kRoute, Move::kWantCertificate}));
  auto gone = up();
  gone.target = Target::kGone;
  EXPECT_EQ(walk(name, gone), (Moves{Move::kLeave, Move::kForget})) << "it needs no rest: whoever is next proves it";
}

TEST(R2_6_Moves, WhatIsNotProvedIsForgottenInTheEnd) {
  auto name = free_name();
  name.kind = Kind::kOwn;
  name.state = State::kAsked;
  EXPECT_EQ(walk(name, up()), Moves{});
  auto later = up();
  later.now = name.created_at + kProofWithin;
  EXPECT_EQ(walk(name, later), Moves{Move::kForget});
  later.now -= Duration{1};
  EXPECT_EQ(walk(name, later), Moves{});
}

TEST(R2_6_Moves, ARestHasAnEnd) {
  auto name = free_name();
  name.state = State::kResting;
  name.rests_until = kNow;
  EXPECT_EQ(walk(name, up()), Moves{Move::kForget});
  name.rests_until = kNow + Duration{1};
  EXPECT_EQ(walk(name, up()), Moves{});
}

}  // namespace
}  // namespace tiltyard::names
