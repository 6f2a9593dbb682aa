// The invariants of the farm's books (docs/farm.md), each by itself.
#include "farm/books_test.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "farm/attempts.h"

namespace tiltyard::farm {
namespace {

using namespace std::chrono_literals;
using testing::describe;
using testing::Farm;

std::vector<std::string> flags_of(const Lease& lease) {
  std::vector<std::string> out;
  for (const auto& flag : lease.flags) out.push_back(flag.flag);
  return out;
}

TEST(R6_1, TheFirstWhoReportsAFlagIsKept) {
  Farm farm;
  EXPECT_EQ(farm.post({"A", "B", "A"}, "first", "t1").fresh, 2u);
  const auto second = farm.post({"B", "C"}, "second", "t2");
  EXPECT_EQ(second.fresh, 1u);
  EXPECT_EQ(second.duplicate, 1u);
  EXPECT_EQ(farm.books->sploits().text(farm.entry("B").sploit), "first");
  EXPECT_EQ(farm.books->totals().total(), 3u);
}

TEST(R6_3, AFlagIsWithOneSenderAtATime) {
  Farm farm;
  farm.post({"A"});
  farm.post({"A"});
  const auto lease = farm.take();
  ASSERT_TRUE(lease);
  EXPECT_EQ(flags_of(*lease), (std::vector<std::string>{"A"}));
  EXPECT_FALSE(farm.take());
  farm.pass(29s);
  EXPECT_FALSE(farm.take());
  farm.pass(2s);
  const auto again = farm.take();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->flags.front().attempt, 2u);
}

TEST(R6_3, ADuplicateAfterALostAnswerIsProbablyAcceptedAndNeverRejected) {
  Farm farm;
  farm.post({"A", "B"});
  ASSERT_TRUE(farm.take());
  farm.pass(31s);
  const auto second = farm.take();
  ASSERT_TRUE(second);
  ASSERT_TRUE(farm.say(*second, {{"A", Verdict::kDuplicate}, {"B", Verdict::kAccepted}}));
  EXPECT_EQ(farm.status("A"), Status::kAccepted);
  EXPECT_TRUE(farm.entry("A").probable);
  EXPECT_FALSE(farm.entry("B").probable);
  // The control: somebody else's duplicate, at our first attempt, is a rejection.
  farm.post({"C"});
  const auto third = farm.take();
  ASSERT_TRUE(farm.say(*third, {{"C", Verdict::kDuplicate}}));
  EXPECT_EQ(farm.status("C"), Status::kRejected);
}

TEST(R6_9, ABatchThatIsCutKeepsItsFirstVerdicts) {
  Farm farm;
  farm.post({"A", "B", "C", "D"});
  const auto lease = farm.take();
  ASSERT_TRUE(farm.say(*lease, {{"A", Verdict::kAccepted}, {"B", Verdict::kOld}}));
  ASSERT_TRUE(farm.say(*lease, {}, true));
  EXPECT_EQ(farm.status("A"), Status::kAccepted);
  EXPECT_EQ(farm.status("B"), Status::kRejected);
  const auto rest = farm.take();
  ASSERT_TRUE(rest);
  EXPECT_EQ(flags_of(*rest), (std::vector<std::string>{"C", "D"}));
}

TEST(R6_3, WhatIsFinalNeverChangesAndALateAnswerIsNotedOnly) {
  Farm farm;
  farm.post({"A", "B"});
  const auto first = farm.take();
  farm.pass(31s);
  const auto second = farm.take();
  ASSERT_TRUE(farm.say(*second, {{"A", Verdict::kAccepted}}));
  const auto late = farm.say(*first, {{"A", Verdict::kInvalid}, {"B", Verdict::kAccepted}});
  ASSERT_TRUE(late);
  EXPECT_EQ(late->late, 2u);
  EXPECT_EQ(late->recorded, 0u);
  EXPECT_EQ(farm.status("A"), Status::kAccepted);
  EXPECT_EQ(farm.status("B"), Status::kLeased);
  // Both attempts are in the log, the late answer marked.
  farm.commit();
  Attempts attempts;
  read_attempts(farm.rows.front(), 1, 0, attempts);
  ASSERT_EQ(attempts.by_lease.size(), 2u);
  EXPECT_TRUE(attempts.by_lease.at(1).late);
  EXPECT_EQ(attempts.by_lease.at(1).verdict, Verdict::kInvalid);
  EXPECT_FALSE(attempts.by_lease.at(2).late);
}

TEST(R6_3, AnswersTwiceAndAnswersAboutForeignFlagsChangeNothing) {
  Farm farm;
  farm.post({"A", "B"});
  const auto lease = farm.take(1);
  ASSERT_TRUE(farm.say(*lease, {{"A", Verdict::kAccepted}}));
  const auto again =
      farm.say(*lease, {{"A", Verdict::kInvalid}, {"B", Verdict::kAccepted}, {"never seen", Verdict::kAccepted}});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->recorded, 1u);
  EXPECT_EQ(again->unknown, 2u);
  EXPECT_EQ(farm.status("A"), Status::kAccepted);
  EXPECT_EQ(farm.status("B"), Status::kQueued);
  EXPECT_EQ(farm.say(Lease{"01UNKNOWN", {}, {}, {}, 0, {}}, {{"A", Verdict::kAccepted}}).error().reason,
            "lease-unknown");
}

TEST(R6_3, ExpiredFlagsAreSkippedAndNeverSent) {
  Farm farm;
  farm.post({"A", "B"});
  const auto lease = farm.take(1);
  ASSERT_TRUE(lease);
  farm.now += 5min;
  farm.post({"C"});
  const auto next = farm.take();
  ASSERT_TRUE(next);
  EXPECT_EQ(flags_of(*next), (std::vector<std::string>{"C"}));
  EXPECT_EQ(farm.status("A"), Status::kSkipped);
  EXPECT_EQ(farm.status("B"), Status::kSkipped);
}

TEST(R6_3, ALeaseThatIsExtendedStays) {
  Farm farm;
  farm.post({"A"});
  const auto lease = farm.take();
  farm.pass(20s);
  const auto until = farm.books->extend(lease->id, farm.now, farm.log());
  ASSERT_TRUE(until);
  EXPECT_EQ(*until, farm.now + 30s);
  farm.pass(29s);
  EXPECT_FALSE(farm.take());
  farm.restart();
  EXPECT_FALSE(farm.take());
  farm.pass(2s);
  EXPECT_TRUE(farm.take());
  EXPECT_EQ(farm.books->extend(lease->id, farm.now, farm.log()).error().reason, "lease-ended");
}

TEST(R6_3, WhatTheJuryWantsLaterComesLater) {
  Farm farm;
  farm.post({"A"});
  const auto lease = farm.take();
  ASSERT_TRUE(farm.say(*lease, {{"A", Verdict::kRetry}}));
  EXPECT_EQ(farm.status("A"), Status::kQueued);
  EXPECT_FALSE(farm.take());
  EXPECT_EQ(farm.books->next_due(), farm.now + 5s);
  farm.pass(5s);
  EXPECT_TRUE(farm.take());
}

TEST(R6_3, ALeaseSurvivesTheDeathOfTheServer) {
  Farm farm;
  farm.post({"A", "B"});
  const auto lease = farm.take(1);
  farm.restart();
  EXPECT_EQ(farm.status("A"), Status::kLeased);
  const auto other = farm.take();
  ASSERT_TRUE(other);
  EXPECT_EQ(flags_of(*other), (std::vector<std::string>{"B"}));
  const auto said = farm.say(*lease, {{"A", Verdict::kAccepted}});
  ASSERT_TRUE(said);
  EXPECT_EQ(said->recorded, 1u);
  EXPECT_EQ(farm.status("A"), Status::kAccepted);
}

TEST(R6_9, WithinASploitAndTeamTheOldestGoFirstAlsoAfterTheyCameBack) {
  Farm farm;
  farm.post({"A", "B", "C"});
  const auto lease = farm.take(1);
  ASSERT_TRUE(farm.say(*lease, {}, true));
  EXPECT_EQ(flags_of(*farm.take(2)), (std::vector<std::string>{"A", "B"}));
}

TEST(R6_9, AFloodOfOneSploitStarvesNobody) {
  Farm farm;
  std::vector<std::string> flood;
  for (int i = 0; i < 20'000; ++i) flood.push_back("flood" + std::to_string(i));
  farm.post(flood, "loud", "t1");
  farm.now += 1s;
  for (int i = 0; i < 10; ++i) farm.post({"quiet" + std::to_string(i)}, "quiet", "t2");
  const auto lease = farm.take(100);
  const auto flags = flags_of(*lease);
  EXPECT_GE(std::ranges::count_if(flags, [](const auto& flag) { return flag.starts_with("quiet"); }), 10);
}

TEST(R6_9, AFloodOfMadeUpTeamsOrSploitsStarvesNobody) {
  Farm farm;
  for (int i = 0; i < 5'000; ++i) farm.post({"f" + std::to_string(i)}, "loud", "team" + std::to_string(i));
  farm.post({"quiet1", "quiet2"}, "quiet", "team1");
  auto flags = flags_of(*farm.take(12));
  EXPECT_EQ(std::ranges::count_if(flags, [](const auto& flag) { return flag.starts_with("quiet"); }), 2);

  Farm other;
  for (int i = 0; i < 5'000; ++i) other.post({"f" + std::to_string(i)}, "sploit" + std::to_string(i), "loud");
  other.post({"quiet1", "quiet2"}, "sploit1", "quiet");
  flags = flags_of(*other.take(12));
  EXPECT_EQ(std::ranges::count_if(flags, [](const auto& flag) { return flag.starts_with("quiet"); }), 2);
}

TEST(R6_9, OneSlowTeamDoesNotWaitForTheOthersButTheOldestKeepAThird) {
  Farm farm;
  std::vector<std::string> old, young;
  for (int i = 0; i < 300; ++i) old.push_back("old" + std::to_string(i));
  farm.post(old, "s1", "t1");
  farm.now += 60s;
  for (int sploit = 0; sploit < 50; ++sploit) {
    young.clear();
    for (int i = 0; i < 20; ++i) young.push_back("young" + std::to_string(sploit) + "." + std::to_string(i));
    farm.post(young, "y" + std::to_string(sploit), "z" + std::to_string(sploit));
  }
  const auto flags = flags_of(*farm.take(300));
  EXPECT_GE(std::ranges::count_if(flags, [](const auto& flag) { return flag.starts_with("old"); }), 100);
}

TEST(R6_1, MadeUpNamesCostNoMemoryWithoutEnd) {
  Farm farm;
  for (int i = 0; i < 30'000; ++i) farm.post({"f" + std::to_string(i)}, "sploit" + std::to_string(i), "t");
  EXPECT_EQ(farm.books->sploits().size(), 20'000u);
  EXPECT_EQ(farm.books->totals().total(), 30'000u);
  const auto again = farm.read_again();
  ASSERT_TRUE(again);
  EXPECT_EQ(describe(*again), describe(*farm.books));
}

TEST(R6_3, ForgettingTheOldestKeepsTheRest) {
  Farm farm;
  std::vector<std::string> many;
  for (int i = 0; i < 10'000; ++i) many.push_back("old" + std::to_string(i));
  farm.post(many);
  farm.commit();
  farm.pass(6min);
  EXPECT_EQ(farm.books->totals().at(Status::kSkipped), 10'000u);
  farm.now += 24h;
  farm.post({"young"});
  farm.commit();
  const auto first = farm.books->forgettable(farm.now, 1h);
  EXPECT_EQ(first, 8192u);
  const auto row = farm.books->flags().first_row(first / FlagTable::kChunk);
  farm.books->forget_before(first);
  EXPECT_EQ(farm.books->totals().total(), 10'001u - 8192u);
  EXPECT_FALSE(farm.books->flags().find("old8191"));
  EXPECT_TRUE(farm.books->flags().find("old8192"));
  EXPECT_TRUE(farm.books->flags().find("young"));
  EXPECT_EQ(row, 1u);
  EXPECT_EQ(farm.post({"old1"}).fresh, 1u);
  EXPECT_EQ(flags_of(*farm.take()).size(), 2u);
}

TEST(R6_9, KnownFlagsThatCameAgainAreCountedOverRestarts) {
  Farm farm;
  farm.post({"A=", "B=", "A="});
  farm.post({"B="});
  farm.post({"A=", "C="});
  EXPECT_EQ(farm.books->since().duplicates, 3u);
  farm.restart();
  EXPECT_EQ(farm.books->since().duplicates, 3u);
  // The log of a server that did not write them down.
  Books older;
  ASSERT_TRUE(older.replay("F\t1\t0\t1\nA=\ts\tt\t\n", 1));
  EXPECT_EQ(older.since().duplicates, 0u);
}

TEST(R6_3, ABrokenLogIsSaidAndNotGuessedAt) {
  for (const std::string_view text : {"F\t1\t0\t2\nA\ts\tt\t\n", "Q\t1\n", "F\tx\t0\t1\nA\n",
                                      "L\t1\t2\t1\tX\ts\t1\n7,0\n", "F\t1\t0\t1\nA\ts\tt\t"}) {
    Books books;
    const auto read = books.replay(text, 1);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().reason, "farm-log-broken");
  }
}

TEST(R6_9, JuriesEchoesAreNoPartOfTheirWords) {
  Farm farm;
  farm.post({"A=", "B="});
  const auto lease = farm.take();
  VerdictReport report{lease->id,
                       {{"A=", Verdict::kAccepted, "[A=] Flag accepted!", 2.5, false},
                        {"B=", Verdict::kOld, "B= OLD too\told\n", 0, false}},
                       false,
                       Duration{0},
                       true};
  ASSERT_TRUE(farm.books->report(report, farm.now, farm.log()));
  EXPECT_EQ(farm.books->responses().text(farm.entry("A=").response), "Flag accepted!");
  EXPECT_EQ(farm.books->responses().text(farm.entry("B=").response), "OLD too?old?");
  EXPECT_DOUBLE_EQ(farm.books->since().points, 2.5);
  EXPECT_EQ(describe(*farm.read_again()), describe(*farm.books));
}

}  // namespace
}  // namespace tiltyard::farm
