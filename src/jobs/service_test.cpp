#include "jobs/testing.h"

#include <algorithm>

#include <fmt/format.h>
#include <soci/soci.h>

namespace tiltyard::jobs {
namespace {

using namespace testing;

class R8_1_Jobs : public Bench {};
class R8_2_Jobs : public Bench {};
class R8_3_Jobs : public Bench {};
class R8_4_Jobs : public Bench {};

Error broken(std::string why) { return Error{Code::kUnavailable, "broken", std::move(why), {}, {}}; }

TEST_P(R8_1_Jobs, AJobIsThereIfAndOnlyIfTheWriteIs) {
  make().declare(noted("work"));
  start();
  auto undone = write([&](soci::session& sql) -> Result<> {
    if (auto made = service_->enqueue(sql, job("work", "undone")); !made) return fail(made.error());
    return fail(Code::kConflict, "changed-my-mind", "");
  });
  EXPECT_FALSE(undone);
  const auto id = enqueue(job("work", "done"));
  ASSERT_TRUE(until([&] { return gone(id); }));
  EXPECT_EQ(payloads(), (std::vector<std::string>{"done"}));
  const auto seen = find(id);
  ASSERT_EQ(seen.firings.size(), 1u);
  EXPECT_EQ(seen.firings[0].error, "");
  EXPECT_EQ(seen.firings[0].node, "local");
  EXPECT_EQ(seen.firings[0].attempt, 1);
  EXPECT_GE(seen.firings[0].started, seen.firings[0].due);
  EXPECT_GE(seen.firings[0].finished, seen.firings[0].started);
}

TEST_P(R8_1_Jobs, UnknownKindsAreRefusedAndRowsOfOneWaitForAServerThatKnowsIt) {
  make().declare(noted("work"));
  start();
  auto refused = run(service_->enqueue(job("no-such")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "kind-unknown");
  const auto id = enqueue([] {
    auto later = job("work");
    later.due = SystemClock().now() + 1h;
    return later;
  }());
  close();
  make();
  start();
  EXPECT_FALSE(home([&] { return service_->kind("work")->known; }));
  EXPECT_TRUE(run(service_->run_now(id, "ann")));
  EXPECT_EQ(find(id).state, JobState::kWaiting);
  close();
  make().declare(noted("work"));
  start();
  EXPECT_TRUE(until([&] { return gone(id); }));
}

TEST_P(R8_1_Jobs, AUniqueKeyIsTakenWhileItsJobLives) {
  make().declare(noted("work"));
  start();
  auto first = job("work", "first");
  first.unique = "one";
  first.due = clock_.now() + 1h;
  const auto id = enqueue(first);
  auto second = first;
  second.payload = "second";
  second.due = clock_.now();
  EXPECT_EQ(enqueue(second), id);
  EXPECT_EQ(find(id).payload, "first");
  EXPECT_EQ(enqueue(second, IfTaken::kReplace), id);
  ASSERT_TRUE(until([&] { return gone(id); }));
  EXPECT_EQ(payloads(), (std::vector<std::string>{"second"}));
  EXPECT_NE(enqueue(second), id) << "free again";
}

TEST_P(R8_1_Jobs, UrgentOnesFirstAndNoMoreAtOnceThanTheKindAllows) {
  std::atomic<int> now = 0, most = 0;
  auto kind = noted("work", [&](Firing) -> asio::awaitable<Result<Next>> {
    most = std::max(most.load(), ++now);
    co_await sleep_for(5ms);
    --now;
    co_return Next::done();
  });
  kind.at_once = 3;
  auto blocker = noted("block", [&](Firing) -> asio::awaitable<Result<Next>> {
    co_await sleep_for(20ms);
    co_return Next::done();
  });
  make().declare(kind);
  service_->declare(blocker);
  start();
  EXPECT_TRUE(run(service_->pause("work", true, "ann")));
  std::vector<NewJob> jobs;
  for (int i = 0; i < 12; ++i) {
    jobs.push_back(job("work", std::to_string(i)));
    jobs.back().priority = i % 4;
  }
  ASSERT_TRUE(run(service_->enqueue_all(jobs)));
  std::this_thread::sleep_for(60ms);
  EXPECT_TRUE(fired().empty()) << "paused";
  EXPECT_EQ(home([&] { return service_->kind("work")->paused_by; }), "ann");
  EXPECT_TRUE(run(service_->pause("work", false, "ann")));
  ASSERT_TRUE(until([&] { return fired().size() == 12; }));
  EXPECT_EQ(most, 3);
  const auto order = payloads();
  EXPECT_EQ((std::vector<std::string>(order.begin(), order.begin() + 3)), (std::vector<std::string>{"3", "7", "11"}));
  EXPECT_EQ(order.back(), "8");
}

TEST_P(R8_1_Jobs, ARateHoldsStartsBack) {
  auto kind = noted("work");
  kind.rate = Rate{5, 100ms};
  make().declare(kind);
  start();
  const auto begun = std::chrono::steady_clock::now();
  std::vector<NewJob> jobs(20, job("work"));
  ASSERT_TRUE(run(service_->enqueue_all(jobs)));
  ASSERT_TRUE(until([&] { return fired().size() == 20; }));
  // Five at once, then one each 20 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 260ms);
}

TEST_P(R8_1_Jobs, ASchedulesFiringsDoNotOverlapAndOneNameIsOneSchedule) {
  std::atomic<int> now = 0, most = 0;
  auto kind = noted("tick", [&](Firing) -> asio::awaitable<Result<Next>> {
    most = std::max(most.load(), ++now);
    co_await sleep_for(120ms);
    --now;
    co_return Next::done();
  });
  make().declare(kind);
  service_->declare(Service::Recurring{"tick", "a", "x", *Schedule::every(50ms)});
  start();
  ASSERT_TRUE(until([&] { return fired().size() >= 3; }));
  EXPECT_EQ(most, 1);
  const auto seen = fired();
  EXPECT_NE(seen[0].key, seen[1].key);
  EXPECT_EQ((seen[1].due - seen[0].due) % 50ms, 0us) << "on its grid";
  close();
  const auto before = fired().size();
  make().declare(kind);
  service_->declare(Service::Recurring{"tick", "a", "x", *Schedule::every(50ms)});
  start();
  ASSERT_TRUE(until([&] { return fired().size() >= before + 2; }));
  EXPECT_EQ(most, 1);
  const auto page = run(service_->list({"tick", JobState::kWaiting, 0, 100}));
  EXPECT_LE(page->jobs.size(), 1u);
}

TEST_P(R8_1_Jobs, AShortPollHasNoRowAndCanBePoked) {
  auto kind = noted("poll");
  make().declare(kind);
  service_->declare(Service::Recurring{"poll", "", "", *Schedule::every(10min), Keep::kMemory});
  start();
  EXPECT_TRUE(run(service_->list({"poll", JobState::kWaiting, 0, 100}))->jobs.empty());
  EXPECT_EQ(home([&] { return service_->kind("poll")->waiting; }), 1u);
  home([&] {
    service_->poke("poll");
    return true;
  });
  EXPECT_TRUE(until([&] { return fired().size() == 1; }));
}

TEST_P(R8_1_Jobs, APollFiresAtTheStartSetsItsOwnPaceAndAPokeWhileItRunsIsNotLost) {
  Signal go(loops_.home());
  make().declare_poll(noted("poll",
                            [&](Firing) -> asio::awaitable<Result<Next>> {
                              if (fired().size() == 3) co_await go.wait();
                              co_return fired().size() < 3 ? Next::again(1ms) : Next::done();
                            }),
                      10min);
  start();
  ASSERT_TRUE(until([&] { return fired().size() == 3; })) << "at the start, and twice at its own pace";
  home([&] {
    service_->poke("poll");
    return true;
  });
  EXPECT_EQ(fired().size(), 3u) << "one at a time";
  home([&] {
    go.set();
    return true;
  });
  EXPECT_TRUE(until([&] { return fired().size() == 4; }));
  EXPECT_TRUE(run(service_->pause("poll", true, "ann")));
  home([&] {
    service_->poke("poll");
    return true;
  });
  EXPECT_FALSE(until([&] { return fired().size() > 4; }, 300ms));
  EXPECT_TRUE(run(service_->pause("poll", false, "ann")));
  EXPECT_TRUE(until([&] { return fired().size() == 5; }));
}

TEST_P(R8_2_Jobs, AOneShotFiresAtItsTimeAndThePastNow) {
  make().declare(noted("work"));
  start();
  auto later = job("work", "later");
  later.due = clock_.now() + 150ms;
  auto past = job("work", "past");
  past.due = clock_.now() - 24h;
  auto far = job("work", "far");
  far.due = *parse_rfc3339("9999-12-31T23:59:59Z");
  const auto id = enqueue(later);
  const auto never = enqueue(far);
  enqueue(past);
  ASSERT_TRUE(until([&] { return gone(id); }));
  EXPECT_EQ(payloads(), (std::vector<std::string>{"past", "later"}));
  const auto firing = find(id).firings.at(0);
  EXPECT_GE(firing.started, firing.due);
  EXPECT_LT(firing.started - firing.due, 3s) << "a bound for busy machines; ./bench jobs measures";
  EXPECT_EQ(to_rfc3339(find(never).due), "9999-12-31T23:59:59.000Z");
}

TEST_P(R8_2_Jobs, WhatIsLateIsLeftOutWhereTheKindSaysSo) {
  auto kind = noted("work");
  kind.missed = Missed::kSkip;
  kind.late_after = 1s;
  make().declare(kind);
  start();
  auto late = job("work", "late");
  late.due = clock_.now() - 10s;
  const auto id = enqueue(late);
  const auto good = enqueue(job("work", "good"));
  ASSERT_TRUE(until([&] { return gone(id) && gone(good); }));
  EXPECT_EQ(payloads(), (std::vector<std::string>{"good"}));
  EXPECT_EQ(find(id).firings.at(0).error, "Left out: 10 s late.");
}

TEST_P(R8_2_Jobs, AHundredThousandAreMadeMovedAndCancelledAtOnce) {
  make().declare(noted("work"));
  start();
  std::vector<NewJob> jobs(100'000, job("work"));
  for (auto& one : jobs) {
    one.due = clock_.now() + 1h;
    one.bundle = "run-1";
  }
  ASSERT_TRUE(run(service_->enqueue_all(jobs)));
  ASSERT_TRUE(until([&] { return home([&] { return service_->kind("work")->waiting; }) == 100'000u; }));
  auto moved = write(
      [&](soci::session& sql) -> Result<std::size_t> { return service_->shift_bundle(sql, "work", "run-1", 1h); });
  EXPECT_EQ(moved.value_or(0), 100'000u);
  auto other =
      write([&](soci::session& sql) -> Result<std::size_t> { return service_->cancel_bundle(sql, "work", "run-2"); });
  EXPECT_EQ(other.value_or(1), 0u);
  auto page = run(service_->list({"work", JobState::kWaiting, 0, 1}));
  EXPECT_GT(page->jobs.at(0).due, clock_.now() + 90min);
  auto cancelled =
      write([&](soci::session& sql) -> Result<std::size_t> { return service_->cancel_bundle(sql, "work", "run-1"); });
  EXPECT_EQ(cancelled.value_or(0), 100'000u);
  ASSERT_TRUE(until([&] { return home([&] { return service_->kind("work")->waiting; }) == 0u; }));
  // Shifted back to now by hand, what is left would have run.
  EXPECT_TRUE(fired().empty());
}

TEST_P(R8_3_Jobs, ALaneKeepsItsOrderAlsoThroughRetries) {
  auto kind = noted("work", [&](Firing firing) -> asio::awaitable<Result<Next>> {
    co_await sleep_for(1ms);
    if (firing.payload == "a1" && firing.attempt < 3) co_return fail(broken("not yet"));
    co_return Next::done();
  });
  kind.backoff = {10ms, 10ms};
  kind.at_once = 50;
  make().declare(kind);
  start();
  std::vector<NewJob> jobs;
  for (int i = 0; i < 8; ++i) {
    for (const auto* lane : {"a", "b"}) {
      jobs.push_back(job("work", lane + std::to_string(i)));
      jobs.back().lane = lane;
    }
  }
  ASSERT_TRUE(run(service_->enqueue_all(jobs)));
  ASSERT_TRUE(until([&] { return fired().size() == 18; }));
  std::vector<std::string> a, b;
  for (const auto& payload : payloads()) (payload[0] == 'a' ? a : b).push_back(payload);
  EXPECT_EQ(a, (std::vector<std::string>{"a0", "a1", "a1", "a1", "a2", "a3", "a4", "a5", "a6", "a7"}));
  EXPECT_EQ(b, (std::vector<std::string>{"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"}));
}

TEST_P(R8_3_Jobs, FailuresAreTriedAgainAndThenDeadLetters) {
  auto kind = noted("work", [&](Firing firing) -> asio::awaitable<Result<Next>> {
    EXPECT_EQ(firing.last_attempt, firing.attempt == 3);
    co_return fail(broken("the other side is away"));
  });
  kind.tries = 3;
  kind.backoff = {10ms, 20ms};
  make().declare(kind);
  start();
  const auto id = enqueue(job("work"));
  ASSERT_TRUE(until([&] { return find(id).state == JobState::kFailed; }));
  auto dead = find(id);
  EXPECT_EQ(dead.error, "the other side is away");
  ASSERT_EQ(dead.firings.size(), 3u);
  EXPECT_EQ(dead.firings[0].attempt, 3) << "the newest first";
  const auto seen = fired();
  EXPECT_EQ(seen[0].key, seen[2].key);
  EXPECT_FALSE(seen[2].maybe_begun) << "it is known how far it came";
  EXPECT_EQ(home([&] { return service_->kind("work")->failed; }), 1u);
  EXPECT_TRUE(run(service_->retry(id, "ann")));
  ASSERT_TRUE(until([&] { return fired().size() == 6; }));
  ASSERT_TRUE(until([&] { return find(id).state == JobState::kFailed; }));
  EXPECT_TRUE(run(service_->cancel(id, "ann")));
  EXPECT_EQ(home([&] { return service_->kind("work")->failed; }), 0u);
}

TEST_P(R8_3_Jobs, AHandlerSaysAgainOrNever) {
  make().declare(noted("work", [&](Firing firing) -> asio::awaitable<Result<Next>> {
    if (firing.payload == "never") co_return Next::give_up("nobody lives there");
    EXPECT_EQ(firing.attempt, 1) << "a pause is no attempt";
    co_return fired().size() < 4 ? Next::again(5ms) : Next::done();
  }));
  start();
  const auto id = enqueue(job("work", "again"));
  ASSERT_TRUE(until([&] { return gone(id); }));
  const auto never = enqueue(job("work", "never"));
  ASSERT_TRUE(until([&] { return find(never).state == JobState::kFailed; }));
  EXPECT_EQ(find(never).error, "nobody lives there");
}

TEST_P(R8_3_Jobs, HandlersThatThrowHangOrDoNotListenAreContained) {
  auto kind = noted("bad", [&](Firing firing) -> asio::awaitable<Result<Next>> {
    if (firing.payload == "throws") throw std::runtime_error("a bug");
    co_await sleep_for(1h);
    co_return Next::done();
  });
  kind.tries = 2;
  kind.timeout = 50ms;
  kind.backoff = {1ms, 1ms};
  make().declare(kind);
  service_->declare(noted("good"));
  start();
  const auto throws = enqueue(job("bad", "throws")), hangs = enqueue(job("bad", "hangs"));
  ASSERT_TRUE(until([&] { return find(throws).state == JobState::kFailed && find(hangs).state == JobState::kFailed; }));
  EXPECT_NE(find(throws).error.find("a bug"), std::string::npos);
  EXPECT_NE(find(hangs).error.find("stopped after 50 ms"), std::string::npos);
  for (const auto& firing : fired()) {
    if (firing.attempt == 2) EXPECT_TRUE(firing.maybe_begun) << "nobody knows how far the first came";
  }
  const auto good = enqueue(job("good"));
  EXPECT_TRUE(until([&] { return gone(good); }));
}

TEST_P(R8_3_Jobs, AJobThatMakesJobsForEverIsStoppedByTheBoundOfItsKind) {
  auto kind = noted("fork", [&](Firing) -> asio::awaitable<Result<Next>> {
    std::vector<NewJob> two(2, job("fork"));
    auto made = co_await service_->enqueue_all(two);
    if (!made) co_return fail(made.error());
    co_return Next::done();
  });
  kind.most_waiting = 500;
  kind.tries = 1;
  make().declare(kind);
  service_->declare(noted("good"));
  start();
  enqueue(job("fork"));
  ASSERT_TRUE(until([&] { return home([&] { return service_->kind("fork")->failed; }) > 0; }));
  EXPECT_LT(home([&] { return service_->kind("fork")->waiting; }), 1'500u);
  const auto good = enqueue(job("good"));
  EXPECT_TRUE(until([&] { return gone(good); }));
}

TEST_P(R8_3_Jobs, WhatAServerHeldWhenItEndedComesBackAndItsHandlerIsTold) {
  make().declare(noted("work"));
  start();
  EXPECT_TRUE(run(service_->pause("work", true, "x")));
  const auto id = enqueue(job("work"));
  // What a process that was killed leaves: a claim, and a worker that signs out no more.
  auto left = write([&](soci::session& sql) -> Result<> {
    sql << "INSERT INTO job_workers (worker, node, seen_until) VALUES (77, 'local', 9000000000000000)";
    sql << "UPDATE jobs SET claim = 77, attempt = 1, claimed_at = due";
    return {};
  });
  ASSERT_TRUE(left);
  EXPECT_EQ(find(id).state, JobState::kRunning);
  close();
  make().declare(noted("work"));
  start();
  EXPECT_TRUE(run(service_->pause("work", false, "x")));
  ASSERT_TRUE(until([&] { return gone(id); }));
  const auto seen = fired();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0].maybe_begun);
  EXPECT_EQ(seen[0].attempt, 2);
  EXPECT_EQ(find(id).firings.at(1).error, "The server that ran it ended.");
}

TEST_P(R8_3_Jobs, AJobThatEndsItsServerIsADeadLetterAtLast) {
  auto kind = noted("poison");
  kind.tries = 3;
  make().declare(kind);
  start();
  EXPECT_TRUE(run(service_->pause("poison", true, "x")));
  const auto id = enqueue(job("poison"));
  auto left = write([&](soci::session& sql) -> Result<> {
    sql << "INSERT INTO job_workers (worker, node, seen_until) VALUES (77, 'local', 9000000000000000)";
    sql << "UPDATE jobs SET claim = 77, attempt = 3";
    return {};
  });
  ASSERT_TRUE(left);
  close();
  make().declare(kind);
  start();
  EXPECT_EQ(find(id).state, JobState::kFailed);
  EXPECT_TRUE(fired().empty());
}

TEST_P(R8_3_Jobs, WhatRunsAtAShutDownIsGivenBackUncounted) {
  std::atomic<bool> hold = true;
  auto kind = noted("long", [&](Firing) -> asio::awaitable<Result<Next>> {
    while (hold) co_await sleep_for(5ms);
    co_return Next::done();
  });
  make().declare(kind);
  start();
  const auto id = enqueue(job("long"));
  ASSERT_TRUE(until([&] { return fired().size() == 1; }));
  close();
  hold = false;
  make().declare(kind);
  start();
  ASSERT_TRUE(until([&] { return gone(id); }));
  const auto seen = fired();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].attempt, 1);
  EXPECT_TRUE(seen[1].maybe_begun);
}

TEST_P(R8_4_Jobs, StaffCancelAndHurryJobs) {
  make().declare(noted("work", [&](Firing firing) -> asio::awaitable<Result<Next>> {
    if (firing.payload == "long") co_await sleep_for(1h);
    co_return Next::done();
  }));
  start();
  auto later = job("work", "later");
  later.due = clock_.now() + 1h;
  const auto first = enqueue(later), second = enqueue(later), running = enqueue(job("work", "long"));
  EXPECT_TRUE(run(service_->cancel(first, "ann")));
  EXPECT_TRUE(run(service_->run_now(second, "ann")));
  ASSERT_TRUE(until([&] { return gone(second); }));
  auto again = run(service_->cancel(second, "ann"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "job-unknown");
  auto retried = run(service_->retry(running, "ann"));
  ASSERT_FALSE(retried);
  EXPECT_EQ(retried.error().reason, "job-not-failed");
  ASSERT_TRUE(until([&] { return find(running).state == JobState::kRunning; }));
  EXPECT_TRUE(run(service_->cancel(running, "ann")));
  ASSERT_TRUE(until([&] { return gone(running); }));
  EXPECT_EQ(find(running).firings.at(0).error, "Cancelled by staff.");
  EXPECT_EQ(run(service_->find(first)).error().reason, "job-unknown");
}

TEST_P(R8_4_Jobs, WhatStaffDoIsInTheEventLogIfAndOnlyIfItIsDone) {
  auto kind = noted("work", [&](Firing firing) -> asio::awaitable<Result<Next>> {
    if (firing.payload == "long") co_await sleep_for(1h);
    if (firing.payload == "bad") co_return Next::give_up("bad");
    co_return Next::done();
  });
  make().declare(std::move(kind));
  start();
  auto later = job("work", "later");
  later.due = clock_.now() + 1h;
  const auto first = enqueue(later), second = enqueue(later), bad = enqueue(job("work", "bad")),
             running = enqueue(job("work", "long"));
  const bus::Actor ann("ann", "u1", "198.51.100.7");
  ASSERT_TRUE(until([&] { return find(bad).state == JobState::kFailed && find(running).state == JobState::kRunning; }));
  EXPECT_TRUE(run(service_->cancel(first, ann)));
  EXPECT_TRUE(run(service_->run_now(second, ann)));
  EXPECT_TRUE(run(service_->retry(bad, ann)));
  EXPECT_TRUE(run(service_->cancel(running, ann)));
  EXPECT_TRUE(run(service_->pause("work", true, ann)));
  EXPECT_TRUE(run(service_->pause("work", false, ann)));
  EXPECT_FALSE(run(service_->cancel(first, ann))) << "it is gone";
  EXPECT_FALSE(run(service_->retry(running, ann)));
  EXPECT_FALSE(run(service_->pause("nothing", true, ann)));
  const auto told = write([](soci::session& sql) -> Result<std::vector<std::string>> {
    soci::rowset<std::string> rows = (sql.prepare << "SELECT kind || ' ' || subject || ' ' || actor || ' ' || actor_id "
                                                     "|| ' ' || address || ' ' || detail FROM events ORDER BY seq");
    return std::vector<std::string>(rows.begin(), rows.end());
  });
  ASSERT_TRUE(told);
  const auto one = [](std::string_view what, JobId id) {
    return fmt::format(R"(jobs.{} {} ann u1 198.51.100.7 {{"kind":"work"}})", what, id);
  };
  EXPECT_EQ(*told, (std::vector<std::string>{one("cancelled", first), one("hurried", second), one("retried", bad),
                                             one("cancelled", running), "jobs.paused work ann u1 198.51.100.7 {}",
                                             "jobs.resumed work ann u1 198.51.100.7 {}"}));
}

TEST_P(R8_4_Jobs, TheBoardCountsWhatHappens) {
  make().declare(noted("work"));
  start();
  std::vector<NewJob> jobs(200, job("work"));
  ASSERT_TRUE(run(service_->enqueue_all(jobs)));
  ASSERT_TRUE(until([&] { return fired().size() == 200; }));
  ASSERT_TRUE(until([&] { return home([&] { return service_->kind("work")->rate; }) > 3; }));
  const auto kind = home([&] { return *service_->kind("work"); });
  EXPECT_EQ(kind.measured, 200u);
  EXPECT_LE(kind.p50, kind.p99);
  EXPECT_LE(kind.p99, kind.longest);
  const auto minutes = home([&] { return service_->minutes("work"); });
  ASSERT_FALSE(minutes.empty());
  ASSERT_TRUE(until([&] { return run(service_->list({"work", JobState::kDone, 0, 500}))->jobs.size() == 200; }));
}

#define ON_BOTH(suite) \
  INSTANTIATE_TEST_SUITE_P(On, suite, ::testing::Values(Backend::kSqlite, Backend::kPostgresql), name_of)
ON_BOTH(R8_1_Jobs);
ON_BOTH(R8_2_Jobs);
ON_BOTH(R8_3_Jobs);
ON_BOTH(R8_4_Jobs);

}  // namespace
}  // namespace tiltyard::jobs
