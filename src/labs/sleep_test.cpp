// Pause and wake over the fake engine, whose frozen machines take connections and do not answer.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

class Nap : public Range {
 protected:
  Nap() {
    add_template(
        "nap",
        "name = \"Nap\"\nimage = \"test/one:1\"\nports = [8000]\npause_after = \"1s\"\n[ready]\ninterval = 50\n");
    // Sleeps only when a test says so.
    add_template(
        "day",
        "name = \"Day\"\nimage = \"test/one:1\"\nports = [8000]\npause_after = \"1h\"\n[ready]\ninterval = 50\n");
  }
  ~Nap() override { arm_failpoints(""); }

  Instance running(const char* tmpl) {
    auto made = ask("ann", tmpl);
    EXPECT_TRUE(made);
    auto instance = wait(made->id);
    EXPECT_EQ(instance.state, InstanceState::kRunning);
    machine_ = instance.plan.machines[0].name;
    return instance;
  }
  InstanceState state(const InstanceId& id) {
    auto found = run(service_->find(id));
    return found && *found ? (*found)->state : InstanceState::kFailed;
  }
  bool becomes(const InstanceId& id, InstanceState wanted) {
    return until([&, this] {
      const auto held = service_->live(id);
      return held && held->free() && held->instance.state == wanted;
    });
  }
  bool frozen() {
    bool is = false;
    until([&, this] {
      is = engine_->is_frozen(machine_);
      return true;
    });
    return is;
  }
  asio::awaitable<std::shared_ptr<void>> use(InstanceId id) { co_return service_->use(id); }
  /// What the row says, wherever the service is.
  InstanceState row(const InstanceId& id) { return run(service_->store().find(id)).value()->state; }

  /// The status of GET / through the gateway; 0: none came within 3 s.
  int fetch(const InstanceId& id) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval limit{3, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(gateway_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto instance = run(service_->find(id)).value();
    const auto host = hosts_of(*instance, instance->plan.endpoints.front()).front();
    const auto request = "GET / HTTP/1.1\r\nHost: " + host + ".localhost\r\nConnection: close\r\n\r\n";
    char head[12]{};
    int status = 0;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0 &&
        ::recv(fd, head, sizeof head, MSG_WAITALL) == sizeof head) {
      status = std::atoi(head + 9);
    }
    ::close(fd);
    return status;
  }

  std::string machine_;
};

using R1_15_Service = Nap;

TEST_F(R1_15_Service, WhoIsNotUsedSleepsAndTheFirstRequestWakes) {
  open();
  const auto instance = running("nap");
  ASSERT_TRUE(becomes(instance.id, InstanceState::kPaused));
  EXPECT_TRUE(frozen());
  EXPECT_EQ(row(instance.id), InstanceState::kPaused);
  EXPECT_EQ(run(service_->find(instance.id)).value()->expires_at, instance.expires_at) << "the lease counts on";
  EXPECT_EQ(fetch(instance.id), 200);
  EXPECT_EQ(state(instance.id), InstanceState::kRunning);
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
  EXPECT_EQ(row(instance.id), InstanceState::kRunning);
  EXPECT_EQ(engine_->calls("resume"), 1) << "the engine's own view follows";
  EXPECT_TRUE(becomes(instance.id, InstanceState::kPaused)) << "and it falls asleep again";
}

TEST_F(R1_15_Service, OnlyTemplatesThatSaySoSleepByThemselves) {
  open();
  const auto instance = running("one");
  const auto other = ask("bob", "nap");
  ASSERT_TRUE(becomes(other->id, InstanceState::kPaused));
  EXPECT_EQ(state(instance.id), InstanceState::kRunning);
}

TEST_F(R1_15_Service, AnOpenTerminalKeepsAwake) {
  open();
  const auto instance = running("nap");
  auto token = run(use(instance.id));
  const auto other = ask("bob", "nap");
  ASSERT_TRUE(becomes(other->id, InstanceState::kPaused));
  EXPECT_EQ(state(instance.id), InstanceState::kRunning);
  token.reset();
  EXPECT_TRUE(becomes(instance.id, InstanceState::kPaused));
}

TEST_F(R1_15_Service, AllWhoComeShareOneWake) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  engine_->hold("thaw");
  std::vector<std::future<Result<>>> wakes;
  for (int i = 0; i < 10; ++i)
    wakes.push_back(asio::co_spawn(loops_.home(), service_->wake(instance.id), asio::use_future));
  EXPECT_TRUE(until([&, this] { return engine_->calls("thaw") == 1; }));
  engine_->release("thaw");
  for (auto& wake : wakes) EXPECT_TRUE(wake.get());
  EXPECT_EQ(engine_->calls("thaw"), 1);
  EXPECT_FALSE(frozen());
  EXPECT_TRUE(run(service_->wake(instance.id))) << "nothing to do";
  EXPECT_EQ(engine_->calls("thaw"), 1);
}

TEST_F(R1_15_Service, TheAnswerComesBeforeTheEnginesOwnView) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  engine_->hold("resume");
  EXPECT_EQ(fetch(instance.id), 200);
  EXPECT_EQ(state(instance.id), InstanceState::kRunning);
  engine_->release("resume");
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
}

TEST_F(R1_15_Service, AWakeThatFailsLeavesItAsleepForTheNext) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  engine_->fail_next("thaw", Error{Code::kUnavailable, "engine-away", "Away.", "", {}});
  EXPECT_EQ(fetch(instance.id), 503);
  EXPECT_EQ(state(instance.id), InstanceState::kPaused);
  EXPECT_EQ(fetch(instance.id), 200);
}

TEST_F(R1_15_Service, APauseThatFailsLeavesItAwake) {
  open();
  const auto instance = running("day");
  engine_->fail_next("pause", Error{Code::kUnavailable, "engine-lost", "Lost.", "", {}});
  EXPECT_EQ(run(service_->pause(instance.id)).error().reason, "engine-lost");
  EXPECT_EQ(fetch(instance.id), 200);
  arm_failpoints("labs.pause.commit.before=error");
  EXPECT_EQ(run(service_->pause(instance.id)).error().reason, "failpoint");
  arm_failpoints("");
  EXPECT_FALSE(frozen());
  EXPECT_EQ(state(instance.id), InstanceState::kRunning);
  EXPECT_EQ(fetch(instance.id), 200);
  EXPECT_TRUE(run(service_->pause(instance.id)));
}

TEST_F(R1_15_Service, WhoComesWhileItFallsAsleepIsServed) {
  open();
  const auto instance = running("day");
  engine_->hold("pause");
  auto pausing = asio::co_spawn(loops_.home(), service_->pause(instance.id), asio::use_future);
  ASSERT_TRUE(until([&, this] { return engine_->calls("pause") == 1; }));
  auto visitor = std::async(std::launch::async, [&, this] { return fetch(instance.id); });
  ASSERT_TRUE(until([&, this] { return gateway_->traffic(instance.id)->waiting > 0; }));
  engine_->release("pause");
  pausing.get();
  EXPECT_EQ(visitor.get(), 200);
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
}

TEST_F(R1_15_Service, ASleepingInstanceIsStoppedExtendedAndExpires) {
  Options options;
  options.expiry_interval = 1s;
  open(options);
  auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  ASSERT_TRUE(stop(instance.id));
  EXPECT_EQ(wait(instance.id, true).state, InstanceState::kStopped);
  EXPECT_EQ(engine_->machine_count(), 0u);
  instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  clock_.advance(1801s);
  const auto longer = run(service_->extend(instance.id, "ann"));
  ASSERT_TRUE(longer) << longer.error().message;
  EXPECT_EQ(longer->state, InstanceState::kPaused);
  EXPECT_GT(longer->expires_at, instance.expires_at);
  EXPECT_TRUE(frozen());
  clock_.advance(24h);
  EXPECT_EQ(wait(instance.id, true).reason->code, "expiry");
  EXPECT_EQ(engine_->machine_count(), 0u);
}

TEST_F(R1_15_Service, AStopThatMeetsAWakeOrAPauseWins) {
  open();
  for (const auto* verb : {"pause", "thaw"}) {
    const auto instance = running("day");
    if (std::string(verb) == "thaw") ASSERT_TRUE(run(service_->pause(instance.id)));
    const int before = engine_->calls(verb);
    engine_->hold(verb);
    auto work = asio::co_spawn(loops_.home(),
                               std::string(verb) == "thaw" ? service_->wake(instance.id) : service_->pause(instance.id),
                               asio::use_future);
    ASSERT_TRUE(until([&, this] { return engine_->calls(verb) > before; }));
    ASSERT_TRUE(stop(instance.id));
    engine_->release(verb);
    work.get();
    EXPECT_EQ(wait(instance.id, true).state, InstanceState::kStopped) << verb;
    EXPECT_EQ(engine_->machine_count(), 0u);
  }
}

TEST_F(R1_15_Service, ARestartFindsItAsleepAndWakesItForTheFirst) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  close();
  open();
  EXPECT_TRUE(becomes(instance.id, InstanceState::kPaused));
  EXPECT_TRUE(frozen());
  EXPECT_EQ(fetch(instance.id), 200);
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
}

// What a crash leaves: the machines of before or after, the row of before.
TEST_F(R1_15_Service, ACrashBeforeThePauseWasWrittenLeavesItRunning) {
  open();
  const auto instance = running("day");
  close();
  ASSERT_TRUE(run(engine_->pause(engine::FakeEngine::handle_of(machine_))));
  open();
  EXPECT_TRUE(until([this] { return !engine_->is_frozen(machine_); }));
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
  EXPECT_EQ(fetch(instance.id), 200);
}

TEST_F(R1_15_Service, ACrashBeforeTheWakeWasWrittenLeavesItAsleep) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  close();
  ASSERT_TRUE(run(engine_->thaw(engine::FakeEngine::handle_of(machine_))));
  open();
  EXPECT_TRUE(until([this] { return engine_->is_frozen(machine_); })) << "thawed, though the engine says paused";
  EXPECT_TRUE(becomes(instance.id, InstanceState::kPaused));
  EXPECT_EQ(fetch(instance.id), 200);
}

// The claim was on disk, and the crash came before its machine had been thawed.
TEST_F(R1_15_Service, WhatWasClaimedIsNotLeftFrozen) {
  add_template("pooled",
               "name = \"Pooled\"\nimage = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\n"
               "[pool]\nmin = 1\nmax = 1\npause = true\n");
  open();
  ASSERT_TRUE(until([this] { return waiting("pooled") == 1; }));
  const auto instance = running("pooled");
  ASSERT_TRUE(becomes(instance.id, InstanceState::kRunning));
  close();
  ASSERT_TRUE(run(engine_->pause(engine::FakeEngine::handle_of(machine_))));
  open();
  EXPECT_TRUE(until([this] { return !engine_->is_frozen(machine_); }));
  EXPECT_EQ(fetch(instance.id), 200);
}

TEST_F(R1_15_Service, WokenBehindOurBackItCountsAsAwake) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  ASSERT_TRUE(run(engine_->resume(engine::FakeEngine::handle_of(machine_))));
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
  EXPECT_EQ(row(instance.id), InstanceState::kRunning);
  EXPECT_EQ(fetch(instance.id), 200);
}

TEST_F(R1_15_Service, AMachineThatEndsInItsSleepIsMended) {
  open();
  const auto instance = running("day");
  ASSERT_TRUE(run(service_->pause(instance.id)));
  engine_->end_machine(machine_, 137);
  EXPECT_TRUE(becomes(instance.id, InstanceState::kRunning));
  EXPECT_EQ(fetch(instance.id), 200);
  ASSERT_TRUE(run(service_->pause(instance.id)));
  engine_->lose_machine(machine_);
  EXPECT_EQ(wait(instance.id, true).reason->code, "engine-loss");
}

TEST_F(R1_15_Service, NobodyAndWhatDoesNotRunAreNotPaused) {
  open();
  EXPECT_EQ(run(service_->pause(InstanceId("nobody"))).error().reason, "instance-unknown");
  EXPECT_EQ(run(service_->wake(InstanceId("nobody"))).error().reason, "instance-unknown");
  engine_->hold("start");
  const auto made = ask("ann", "day");
  EXPECT_EQ(run(service_->pause(made->id)).error().reason, "not-running");
  engine_->release("start");
  wait(made->id);
}

TEST_F(R1_15_Service, WhereTheEngineCannotPauseNothingFallsAsleep) {
  home([&] { engine_->lack("freezer"); });
  open();
  const auto instance = running("nap");
  const auto paused = run(service_->pause(instance.id));
  ASSERT_FALSE(paused);
  EXPECT_EQ(paused.error().reason, "engine-cannot");
  EXPECT_EQ(state(instance.id), InstanceState::kRunning);
  EXPECT_EQ(fetch(instance.id), 200);
  EXPECT_EQ(engine_->calls("pause"), 0);
}

}  // namespace
}  // namespace tiltyard::labs
