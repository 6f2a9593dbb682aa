// Row 5.3: what challenges are worth, and who is where.
#include <gtest/gtest.h>

#include <random>

#include "contest/board.h"
#include "contest/scoring.h"

namespace tiltyard::contest {
namespace {

using namespace std::chrono_literals;

imports::Value falls(std::string function, std::int64_t initial, std::int64_t minimum, double decay = 0) {
  imports::Value value;
  value.dynamic = true;
  value.initial = initial;
  value.minimum = minimum;
  value.decay = decay;
  value.function = std::move(function);
  return value;
}
imports::Value fixed(std::int64_t points) {
  imports::Value value;
  value.initial = points;
  return value;
}

TEST(R5_3, ValuesFallAsTheSystemsDoThatTheyComeFrom) {
  struct Line {
    std::int64_t solves, classic, steep, sekai, legacy, exponential, linear, logarithmic;
  };
  constexpr Line kLines[] = {{0, 500, 500, 500, 500, 1000, 500, 500}, {1, 500, 500, 500, 496, 1000, 500, 500},
                             {2, 481, 443, 478, 493, 864, 490, 500},  {5, 415, 340, 423, 481, 586, 460, 498},
                             {10, 334, 260, 357, 458, 373, 410, 488}, {20, 245, 196, 270, 403, 266, 310, 443},
                             {50, 162, 144, 131, 213, 250, 100, 116}, {100, 129, 123, 100, 100, 250, 100, 100}};
  for (const auto& line : kLines) {
    const Circumstances how{.solves = line.solves, .most_solves = 100};
    const auto is = [&](const imports::Value& value) { return value_of(value, how); };
    EXPECT_EQ(is(falls("classic", 500, 100)), line.classic) << line.solves;
    EXPECT_EQ(is(falls("steep", 500, 100)), line.steep) << line.solves;
    EXPECT_EQ(is(falls("sekai", 500, 100)), line.sekai) << line.solves;
    EXPECT_EQ(is(falls("legacy", 500, 100)), line.legacy) << line.solves;
    EXPECT_EQ(is(falls("exponential", 1000, 250, 5)), line.exponential) << line.solves;
    EXPECT_EQ(is(falls("linear", 500, 100, 10)), line.linear) << line.solves;
    EXPECT_EQ(is(falls("logarithmic", 500, 100, 50)), line.logarithmic) << line.solves;
    EXPECT_EQ(is(fixed(250)), 250);
  }
  EXPECT_EQ(value_of(falls("genni", 500, 100), {.solves = 2}), 500);
  EXPECT_EQ(value_of(falls("genni", 500, 100), {.solves = 3}), 0);
  // 401 steps of 0.8 of a day.
  EXPECT_EQ(value_of(falls("jammy", 500, 100), {.solves = 1, .first_after = 0, .length = 86400}), 100);
  EXPECT_EQ(value_of(falls("jammy", 500, 100), {.solves = 1, .first_after = 173, .length = 86400}), 101);
  EXPECT_EQ(value_of(falls("jammy", 500, 100), {.solves = 9, .first_after = 80000, .length = 86400}), 500);
  EXPECT_EQ(value_of(falls("logarithmic", 500, 100, 0), {.solves = 2}), 100) << "a decay of 0 counts as 1";
}

TEST(R5_3, BonusesAreRoundedHalfToEven) {
  EXPECT_EQ(blood_bonus(500, 50), 25);
  EXPECT_EQ(blood_bonus(50, 50), 2) << "2.5";
  EXPECT_EQ(blood_bonus(70, 50), 4) << "3.5";
  EXPECT_EQ(blood_bonus(333, 30), 10) << "9.99";
  EXPECT_EQ(blood_bonus(333, 0), 0);
}

constexpr TimePoint kStart{std::chrono::hours{24 * 20000}};

Mark solve(std::int64_t seq, std::string owner, std::string challenge, std::chrono::seconds after) {
  Mark mark;
  mark.seq = seq;
  mark.owner = mark.user = std::move(owner);
  mark.challenge = std::move(challenge);
  mark.at = kStart + after;
  return mark;
}
Mark points(std::int64_t seq, std::string owner, std::int64_t how_many, Mark::Kind kind = Mark::Kind::kAward) {
  Mark mark;
  mark.seq = seq;
  mark.kind = kind;
  mark.owner = std::move(owner);
  mark.points = how_many;
  mark.at = kStart + std::chrono::seconds(seq);
  return mark;
}
std::string order(const Board& board, std::string_view division = {}) {
  std::string out;
  for (const auto& place : board.places(division)) {
    out += (out.empty() ? "" : " ") + place.owner + ":" + std::to_string(place.score);
  }
  return out;
}

TEST(R5_3, ASolveChangesWhatOthersHaveForTheSame) {
  Board board({});
  board.set_worths({{"web", {falls("linear", 500, 100, 100)}}, {"pwn", {fixed(300)}}});
  EXPECT_EQ(board.value("web"), 500);
  EXPECT_TRUE(board.apply(solve(1, "a", "web", 10s)));
  EXPECT_TRUE(board.apply(solve(2, "b", "web", 20s)));
  EXPECT_FALSE(board.apply(solve(3, "b", "web", 30s))) << "once is enough";
  EXPECT_EQ(board.value("web"), 400);
  EXPECT_EQ(order(board), "a:400 b:400") << "equal: the first one first";
  board.apply(solve(4, "c", "pwn", 40s));
  board.apply(solve(5, "c", "web", 50s));
  EXPECT_EQ(order(board), "c:600 a:300 b:300");
  EXPECT_EQ(board.solve_count("web"), 3u);
  EXPECT_EQ(board.solved_at("web", "b"), kStart + 20s);
  EXPECT_EQ(board.solved_at("pwn", "b"), std::nullopt);
}

TEST(R5_3, WhatMovesATieAndWhatDoesNot) {
  Board board({});
  board.set_worths(
      {{"one", {fixed(100)}}, {"two", {fixed(100)}}, {"survey", {fixed(50), false}}, {"free", {fixed(0)}}});
  board.apply(solve(1, "late", "one", 10s));
  board.apply(solve(2, "early", "one", 20s));
  board.apply(solve(3, "early", "two", 30s));
  board.apply(solve(4, "late", "two", 40s));
  EXPECT_EQ(order(board), "early:200 late:200");
  board.apply(solve(5, "early", "survey", 50s));
  board.apply(solve(6, "late", "survey", 45s));
  board.apply(solve(7, "early", "free", 60s));
  board.apply(points(8, "early", -20, Mark::Kind::kHint));
  board.apply(points(9, "late", -20, Mark::Kind::kHint));
  EXPECT_EQ(order(board), "early:230 late:230") << "a survey, a task without points and hints leave the times alone";
}

TEST(R5_3, WhoDoesNotCountChangesNobodysPoints) {
  Board board({.bloods = {50, 30, 10}});
  board.set_worths({{"web", {falls("linear", 500, 100, 100)}}});
  board.set_standings({{"staff", {"", Standing::State::kHidden}}, {"kid", {"junior", Standing::State::kPlays}}});
  board.apply(solve(1, "staff", "web", 1s));
  board.apply(solve(2, "kid", "web", 2s));
  board.apply(solve(3, "b", "web", 3s));
  EXPECT_EQ(order(board), "kid:420 b:412") << "400 and 5 % of it, 400 and 3 % of it";
  EXPECT_EQ(order(board, "junior"), "kid:420");
  EXPECT_EQ(board.blood("web", "kid"), 1);
  EXPECT_EQ(board.blood("web", "staff"), 0);
  board.set_standing("kid", {"junior", Standing::State::kDisqualified});
  EXPECT_EQ(order(board), "b:525") << "first now, and the only one";
  board.set_standing("kid", {"junior", Standing::State::kPlays});
  EXPECT_EQ(order(board), "kid:420 b:412") << "undone";
}

TEST(R5_3, ATaskThatGoesKeepsItsSolves) {
  Board board({});
  board.set_worths({{"web", {fixed(100)}}});
  board.apply(solve(1, "a", "web", 1s));
  board.set_worths({});
  EXPECT_EQ(order(board), "a:0");
  board.set_worths({{"web", {fixed(150)}}});
  EXPECT_EQ(order(board), "a:150");
}

/// Hundreds of boards: however they are computed, they are the same, and so are the ends of the plots.
TEST(R5_3, StepByStepOrAtOnceIsTheSame) {
  std::mt19937 random(20260101);
  const auto upto = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); };
  const std::string functions[] = {"linear", "logarithmic", "exponential", "classic", "steep",
                                   "sekai",  "genni",       "jammy",       "legacy"};
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, Worth, std::less<>> worths;
    for (int i = 0; i < 6; ++i) {
      const auto function = functions[upto(9)];
      worths["c" + std::to_string(i)] = {upto(4) == 0 ? fixed(upto(300)) : falls(function, 500, 100, 1 + upto(20)),
                                         upto(5) != 0};
    }
    std::map<std::string, Standing> standings;
    for (int i = 0; i < 8; ++i) {
      if (upto(4) == 0) standings["o" + std::to_string(i)] = {"", static_cast<Standing::State>(upto(3))};
    }
    const Board::Rules rules{{upto(80), upto(50), upto(20)}, kStart, 86400};
    std::vector<Mark> marks;
    for (int seq = 1; seq <= 60; ++seq) {
      const auto owner = "o" + std::to_string(upto(8));
      if (upto(8) == 0) marks.push_back(points(seq, owner, upto(100) - 50));
      else marks.push_back(solve(seq, owner, "c" + std::to_string(upto(6)), std::chrono::seconds(seq * 100)));
    }
    Board steps(rules), once(rules);
    steps.set_worths(worths);
    steps.set_standings(standings);
    for (const auto& mark : marks) steps.apply(mark);
    for (const auto& mark : marks) once.apply(mark);
    once.set_standings(standings);
    once.set_worths(worths);
    ASSERT_EQ(order(steps), order(once)) << "round " << round;
    std::vector<std::string> owners;
    for (const auto& place : once.places()) owners.push_back(place.owner);
    const auto plots = once.history(owners);
    for (const auto& place : once.places()) {
      const auto plot = plots.find(place.owner);
      const auto last = plot == plots.end() || plot->second.empty() ? 0 : plot->second.back().score;
      ASSERT_EQ(last, place.score) << "round " << round << ", " << place.owner;
    }
  }
}

}  // namespace
}  // namespace tiltyard::contest
