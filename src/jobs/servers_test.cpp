// Several servers on one PostgreSQL.
#include "jobs/testing.h"

#include <soci/soci.h>

#include <algorithm>
#include <future>
#include <set>

#include "base/failpoint.h"

namespace tiltyard::jobs {
namespace {

using namespace testing;

/// One of them, with a loop and connections of its own.
struct Server {
  Server(const Database& database, std::string name, Handler handler, std::chrono::milliseconds lease = 30s)
      : store(database.open()) {
    Options options;
    options.node = name;
    options.look_every = 100ms;
    options.lease = lease;
    options.drain_for = 500ms;
    service = std::make_unique<Service>(std::move(options), Parts{loops.home(), *store, clock});
    Kind kind;
    kind.name = "work";
    kind.at_once = 4;
    kind.handler = std::move(handler);
    service->declare(std::move(kind));
    EXPECT_TRUE(run(service->start()));
  }
  ~Server() {
    run(service->close());
    store->close();
    loops.stop();
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops.home(), std::move(work), asio::use_future).get();
  }

  net::Loops loops{1};
  SystemClock clock;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Service> service;
};

/// What they did, from all of their threads.
struct Notes {
  std::mutex mutex;
  std::vector<std::pair<char, Firing>> fired;

  Handler by(char server, std::chrono::milliseconds takes) {
    return [this, server, takes](Firing firing) -> asio::awaitable<Result<Next>> {
      {
        const std::lock_guard lock(mutex);
        fired.emplace_back(server, firing);
      }
      co_await sleep_for(takes);
      co_return Next::done();
    };
  }
  /// Ends once `other` has begun something as well, however long it takes to hear of it.
  Handler beside(char server, char other) {
    return [this, server, other](Firing firing) -> asio::awaitable<Result<Next>> {
      {
        const std::lock_guard lock(mutex);
        fired.emplace_back(server, firing);
      }
      while (count(other) == 0) co_await sleep_for(2ms);
      co_return Next::done();
    };
  }
  std::size_t count(char server) {
    const std::lock_guard lock(mutex);
    return static_cast<std::size_t>(std::ranges::count(fired, server, &std::pair<char, Firing>::first));
  }
};

bool until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

TEST(R8_3, TwoServersShareTheWorkAndNothingRunsTwice) {
  const Database database(Backend::kPostgresql);
  Notes notes;
  // Each holds what it has until the other has begun too: which one is quicker must not decide.
  Server a(database, "a", notes.beside('a', 'b')), b(database, "b", notes.beside('b', 'a'));
  std::vector<NewJob> jobs(400, job("work"));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (i % 4 == 0) jobs[i].lane = "lane " + std::to_string(i % 3);
  }
  auto ids = a.run(a.service->enqueue_all(jobs));
  ASSERT_TRUE(ids);
  ASSERT_TRUE(until([&] { return notes.count('a') + notes.count('b') >= jobs.size(); }))
      << "each hears of what the other one makes";
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(notes.count('a') + notes.count('b'), jobs.size());
  std::set<JobId> seen;
  const std::lock_guard lock(notes.mutex);
  for (const auto& [server, firing] : notes.fired) EXPECT_TRUE(seen.insert(firing.id).second);
}

TEST(R8_3, WhatIsCancelledWhileItsRowIsBeingReadDoesNotComeBack) {
  const Database database(Backend::kPostgresql);
  Notes notes;
  Server server(database, "a", notes.by('a', 1ms));
  auto& jobs = *server.service;
  auto one = job("work"), other = job("work");
  one.due = other.due = server.clock.now() + 1h;
  other.bundle = "run-1";
  const auto id = server.run(jobs.enqueue(one));
  ASSERT_TRUE(id && server.run(jobs.enqueue(other)));
  const auto waiting = [&] {
    const auto count = [&]() -> asio::awaitable<std::size_t> { co_return jobs.kind("work")->waiting; };
    return server.run(count());
  };
  ASSERT_TRUE(until([&] { return waiting() == 2; }));
  // A look at the table is held with both rows in its hand.
  arm_failpoints("jobs.read.after=hold");
  ASSERT_TRUE(until([] { return failpoint_passes("jobs.read.after") == 1; }));
  auto cancel = [&](soci::session& sql) -> Result<std::size_t> {
    return jobs.cancel(sql, *id) + jobs.cancel_bundle(sql, "work", "run-1");
  };
  EXPECT_EQ(server.run(server.store->write(cancel)).value_or(0), 2u);
  EXPECT_TRUE(until([&] { return waiting() == 0; }));
  // The next look begins when that one has taken its rows in.
  arm_failpoints("jobs.read.after=sleep:0");
  EXPECT_TRUE(until([] { return failpoint_passes("jobs.read.after") > 0; }));
  arm_failpoints("");
  EXPECT_EQ(waiting(), 0u);
}

TEST(R8_3, ASilentServersJobsGoToTheOtherAndItsOwnEndChangesNothing) {
  const Database database(Backend::kPostgresql);
  Notes notes;
  Server a(database, "a", notes.by('a', 1500ms), 3s);
  auto id = a.run(a.service->enqueue(job("work", "x")));
  ASSERT_TRUE(id);
  ASSERT_TRUE(until([&] { return notes.count('a') == 1; }));
  // Stands still as a machine that is paused: longer than its lease, until the other one has taken over.
  std::promise<void> goes_on;
  asio::post(a.loops.home(), [until = goes_on.get_future().share()] { until.wait(); });
  Server b(database, "b", notes.by('b', 1ms), 3s);
  const bool taken = until([&] { return notes.count('b') == 1; });
  goes_on.set_value();
  ASSERT_TRUE(taken);
  const auto second = notes.fired.at(1).second;
  EXPECT_EQ(second.id, *id);
  EXPECT_EQ(second.attempt, 2);
  EXPECT_TRUE(second.maybe_begun);
  EXPECT_EQ(second.key, notes.fired.at(0).second.key);
  ASSERT_TRUE(until([&] { return b.run(b.service->find(*id))->state == JobState::kDone; }));
  // The first one wakes up, notices, and works on under another number.
  auto next = a.run(a.service->enqueue(job("work", "y")));
  ASSERT_TRUE(next);
  ASSERT_TRUE(until([&] { return b.run(b.service->find(*next))->state == JobState::kDone; }));
  EXPECT_GE(b.run(b.service->find(*id))->firings.size(), 2u)
      << "the crash as it was taken, the end, and the first one's own late end if it told of it";
}

}  // namespace
}  // namespace tiltyard::jobs
