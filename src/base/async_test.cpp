#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "base/failpoint.h"
#include "base/gate.h"
#include "base/offload.h"
#include "base/run_on.h"

namespace tiltyard {
namespace {

using namespace std::chrono_literals;
using Task = asio::awaitable<void>;

/// A loop on a thread of its own.
struct Loop {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(context);
  std::thread thread{[this] { context.run(); }};

  ~Loop() {
    guard.reset();
    thread.join();
  }
  void run(Task work) { asio::co_spawn(context, std::move(work), asio::use_future).get(); }
};

Task hang(std::atomic<int>& ended) {
  struct AtEnd {
    std::atomic<int>& count;
    ~AtEnd() { ++count; }
  } at_end{ended};
  asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
  co_await timer.async_wait(asio::use_awaitable);
}

TEST(R1_13, AGateCancelsWhatRunsAndWaitsForIt) {
  Loop one, two;
  Gate gate("test");
  std::atomic<int> ended{0};
  for (int i = 0; i < 50; ++i) {
    gate.spawn(one.context.get_executor(), "hang", hang(ended));
    gate.spawn(two.context.get_executor(), "hang", hang(ended));
  }
  EXPECT_EQ(gate.running(), 100u);
  one.run(gate.close());
  EXPECT_EQ(ended, 100);
  EXPECT_EQ(gate.running(), 0u);
  EXPECT_TRUE(gate.closing());
}

TEST(R1_13, AClosedGateDropsNewWorkUnstarted) {
  Loop loop;
  Gate gate("test");
  loop.run(gate.close());
  bool started = false;
  auto work = [](bool& flag) -> Task {
    flag = true;
    co_return;
  };
  gate.spawn(loop.context.get_executor(), "late", work(started));
  loop.run(gate.close());
  EXPECT_FALSE(started);
}

TEST(R1_13, AFailureInAGateStaysThere) {
  Loop loop;
  Gate gate("test");
  auto fails = []() -> Task {
    throw std::runtime_error("broken");
    co_return;
  };
  auto odd = []() -> Task {
    throw 7;
    co_return;
  };
  gate.spawn(loop.context.get_executor(), "fails", fails());
  gate.spawn(loop.context.get_executor(), "throws a number", odd());
  loop.run(gate.close());
  EXPECT_EQ(gate.running(), 0u);
}

TEST(R1_13, SpawningAndEndingSideBySideLosesNothing) {
  Loop loop;
  Gate gate("test");
  std::atomic<int> done{0};
  auto quick = [](std::atomic<int>& count) -> Task {
    ++count;
    co_return;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) gate.spawn(loop.context.get_executor(), "quick", quick(done));
    });
  }
  for (auto& thread : threads) thread.join();
  loop.run(gate.close());
  EXPECT_EQ(gate.running(), 0u);
  // Those that the closing found running may have been cancelled before their first step; most had long ended.
  EXPECT_LE(done, 2000);
  EXPECT_GT(done, 0);
}

Task note(std::thread::id& where) {
  where = std::this_thread::get_id();
  co_return;
}

TEST(R1_13, RunOnGoesThereAndComesBackWithTheValueOrTheException) {
  Loop here, there;
  std::thread::id away;
  there.run(note(away));
  here.run([](asio::any_io_executor other, std::thread::id expected) -> Task {
    const auto home = std::this_thread::get_id();
    auto where = []() -> asio::awaitable<std::thread::id> { co_return std::this_thread::get_id(); };
    auto fails = []() -> Task {
      throw std::runtime_error("broken");
      co_return;
    };
    EXPECT_EQ(co_await run_on(other, where()), expected);
    EXPECT_EQ(std::this_thread::get_id(), home);
    EXPECT_EQ(co_await run_on(co_await asio::this_coro::executor, where()), home);
    bool thrown = false;
    try {
      co_await run_on(other, fails());
    } catch (const std::runtime_error&) { thrown = true; }
    EXPECT_TRUE(thrown);
    EXPECT_EQ(std::this_thread::get_id(), home);
  }(there.context.get_executor(), away));
}

TEST(R1_13, CancellingACallerCancelsWhatItRunsElsewhereEvenAsThatEnds) {
  Loop here, there;
  std::atomic<int> ended{0};
  // What hangs is cancelled: the gate's closing would never complete otherwise.
  auto caller = [](asio::any_io_executor other, std::atomic<int>& count) -> Task {
    co_await run_on(other, hang(count));
  };
  {
    Gate gate("hanging");
    for (int i = 0; i < 50; ++i) {
      gate.spawn(here.context.get_executor(), "caller", caller(there.context.get_executor(), ended));
    }
    here.run([]() -> Task { co_return; }());  // the callers have started
    here.run(gate.close());
  }
  EXPECT_EQ(ended, 50);
  // What ends by itself at the same moment must not be reached through what has gone.
  auto brief = [](asio::any_io_executor other) -> Task {
    auto work = []() -> Task { co_return; };
    for (int i = 0; i < 20; ++i) co_await run_on(other, work());
  };
  for (int round = 0; round < 200; ++round) {
    Gate gate("brief");
    for (int i = 0; i < 10; ++i) gate.spawn(here.context.get_executor(), "brief", brief(there.context.get_executor()));
    here.run(gate.close());
    EXPECT_EQ(gate.running(), 0u);
  }
}

TEST(R1_13, OffloadedWorkRunsElsewhereAndCompletesHere) {
  Loop loop;
  WorkerPool pool("test", 2);
  loop.run([](WorkerPool& workers) -> Task {
    const auto here = std::this_thread::get_id();
    const auto there = co_await offload(workers, [] { return std::this_thread::get_id(); });
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    auto text = co_await offload(workers, [] { return std::make_unique<int>(7); });
    EXPECT_EQ(*text, 7);
    bool thrown = false;
    try {
      co_await offload(workers, []() -> int { throw std::runtime_error("broken"); });
    } catch (const std::runtime_error& error) { thrown = error.what() == std::string("broken"); }
    EXPECT_TRUE(thrown);
  }(pool));
}

TEST(R1_13, AnUnarmedFailPointDoesNothing) {
  Loop loop;
  arm_failpoints("");
  EXPECT_FALSE(failpoints_armed());
  loop.run([]() -> Task {
    const auto passed = co_await failpoint("anything");
    EXPECT_TRUE(passed.has_value());
  }());
}

TEST(R1_13, AnArmedFailPointFailsEachTimeOrOnlyTheNth) {
  Loop loop;
  arm_failpoints("always=error;third=error@3;slow=sleep:50;junk;=;odd=what");
  EXPECT_TRUE(failpoints_armed());
  loop.run([]() -> Task {
    for (int i = 1; i <= 5; ++i) {
      const auto always = co_await failpoint("always");
      EXPECT_FALSE(always.has_value());
      if (!always) EXPECT_EQ(always.error().reason, "failpoint");
      const auto third = co_await failpoint("third");
      EXPECT_EQ(third.has_value(), i != 3) << i;
      const auto other = co_await failpoint("other");
      EXPECT_TRUE(other.has_value());
    }
    const auto began = std::chrono::steady_clock::now();
    const auto slow = co_await failpoint("slow");
    EXPECT_TRUE(slow.has_value());
    EXPECT_GE(std::chrono::steady_clock::now() - began, 50ms);
  }());
  arm_failpoints("");
  EXPECT_FALSE(failpoints_armed());
}

TEST(R1_13, AFailPointHoldsUntilItIsArmedOtherwise) {
  Loop loop;
  arm_failpoints("here=hold");
  std::atomic<bool> through{false};
  std::thread waiter([&] {
    loop.run([](std::atomic<bool>& done) -> Task {
      co_await failpoint("here");
      done = true;
    }(through));
  });
  while (failpoint_passes("here") == 0) std::this_thread::yield();
  EXPECT_FALSE(through);
  arm_failpoints("");
  waiter.join();
  EXPECT_TRUE(through);
}

TEST(R1_13, AKillIsAKill) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto pass = [] {
    arm_failpoints("here=kill@2");
    asio::io_context context;
    auto twice = []() -> Task {
      const auto first = co_await failpoint("here");
      std::fputs(first ? "first passed\n" : "first failed\n", stderr);
      const auto second = co_await failpoint("here");
      std::fputs("second passed\n", stderr);
    };
    asio::co_spawn(context, twice(), asio::detached);
    context.run();
  };
  EXPECT_EXIT(pass(), ::testing::KilledBySignal(SIGKILL), "first passed");
}

}  // namespace
}  // namespace tiltyard
