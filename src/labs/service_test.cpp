// An instance's way through the service, over the fake engine.
#include <soci/soci.h>

#include <algorithm>

#include "labs/range_test.h"
#include "labs/view.h"

namespace tiltyard::labs {
namespace {

using R1_6_Service = Range;
using R1_7_Service = Range;
using R1_8_Service = Range;
using R1_5_Service = Range;
using R1_13_Service = Range;
using R8_1_Service = Range;

TEST_F(R1_6_Service, AnInstanceLivesAndLeavesNothing) {
  open();
  auto made = ask("ann", "one");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  EXPECT_EQ(engine_->machine_count(), 1u);
  ASSERT_TRUE(run(service_->stop(made->id, "user", "ann")));
  const auto ended = wait(made->id, true);
  EXPECT_EQ(ended.state, InstanceState::kStopped);
  EXPECT_EQ(ended.reason->code, "user");
  EXPECT_EQ(engine_->machine_count(), 0u);
  EXPECT_TRUE(gateway_->published().empty());
}

TEST_F(R1_6_Service, TheListInMemoryIsNeverOlderThanTheLastAnswer) {
  open();
  const auto own = [&](const char* owner) { return *run(service_->store().own(owner)); };
  const auto becomes = [&](InstanceState state) {
    for (int i = 0; i < 500; ++i) {
      const auto list = own("ann");
      if (list->size() == 1 && list->front().state == state) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  };
  EXPECT_TRUE(own("ann")->empty());
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(own("ann")->size(), 1u) << "what was answered is in the list";
  wait(made->id);
  EXPECT_TRUE(becomes(InstanceState::kRunning));
  EXPECT_EQ(own("ann"), own("ann")) << "nothing was written: no look at the disk";
  const auto kept = own("ann");
  ASSERT_TRUE(ask("ben", "one"));
  EXPECT_EQ(own("ann"), kept) << "somebody else's writes are no matter";
  ASSERT_TRUE(stop(made->id));
  wait(made->id, true);
  EXPECT_TRUE(becomes(InstanceState::kStopped));
  EXPECT_NE(own("ann"), kept);
}

TEST_F(R1_6_Service, WhatTheEngineRefusesFailsWithItsReasonAndIsUndone) {
  open();
  for (const auto* reason : {"engine-out-of-disk", "machine-did-not-start", "image-missing"}) {
    engine_->fail_next("start", Error{Code::kExhausted, reason, "No.", "", {}});
    auto made = ask("ann", "one");
    ASSERT_TRUE(made);
    const auto ended = wait(made->id, true);
    EXPECT_EQ(ended.state, InstanceState::kFailed);
    EXPECT_EQ(ended.reason->code, reason);
    EXPECT_EQ(engine_->machine_count(), 0u);
  }
}

TEST_F(R1_6_Service, AMachineThatNeverAnswersFailsInTime) {
  add_template(
      "deaf",
      "name = \"Deaf\"\nimage = \"test/one:1\"\nports = [8000]\n[ready]\nport = 9999\ninterval = 50\ntimeout = 1\n");
  open();
  auto made = ask("ann", "deaf");
  ASSERT_TRUE(made);
  const auto ended = wait(made->id, true);
  EXPECT_EQ(ended.reason->code, "not-ready");
  EXPECT_EQ(engine_->machine_count(), 0u);
}

TEST_F(R1_7_Service, OfTwoClicksAtOnceOneWins) {
  open();
  std::vector<std::future<Result<Instance>>> asked;
  for (int i = 0; i < 5; ++i) {
    asked.push_back(
        asio::co_spawn(loops_.home(), service_->request(person("ann"), TemplateId("one"), ""), asio::use_future));
  }
  int won = 0;
  for (auto& one : asked) {
    auto result = one.get();
    won += result ? 1 : 0;
    if (!result) EXPECT_EQ(result.error().reason, "instance-exists");
  }
  EXPECT_EQ(won, 1);
}

TEST_F(R1_7_Service, LimitsAreKeptAndGivenBack) {
  Options options;
  options.instances_per_owner = 1;
  open(options);
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(ask("ann", "two").error().reason, "limit-reached");
  EXPECT_TRUE(ask("bob", "two"));
  wait(made->id);
  ASSERT_TRUE(run(service_->stop(made->id, "user", "ann")));
  wait(made->id, true);
  EXPECT_TRUE(ask("ann", "two"));
}

TEST_F(R1_7_Service, OneAddressHasSoManyInstancesWhoeverSignsInThere) {
  Options options;
  options.instances_total = 4;
  options.instances_per_owner = 1;
  open(options);
  const auto ask_from = [this](const char* address, const char* who, const char* tmpl) {
    return run(service_->request(person(who), TemplateId(tmpl), "", address));
  };
  const auto first = ask_from("192.0.2.7", "ann", "one");
  ASSERT_TRUE(first);
  ASSERT_TRUE(ask_from("192.0.2.7", "bob", "one"));
  const auto third = ask_from("192.0.2.7", "cat", "one");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().reason, "limit-reached");
  EXPECT_TRUE(ask_from("192.0.2.8", "cat", "one")) << "another address";
  EXPECT_TRUE(ask_from("127.0.0.1", "dan", "one")) << "this machine";
  wait(first->id);
  ASSERT_TRUE(stop(first->id));
  wait(first->id, true);
  bool again = false;  // once the last of its ending has let go of it
  for (int i = 0; i < 2000 && !again; ++i) {
    again = ask_from("192.0.2.7", "eve", "one").has_value();
    if (!again) run(sleep_for(10ms));
  }
  EXPECT_TRUE(again) << "one of them has ended";
}

TEST_F(R1_7_Service, TheQueueIsServedInOrderAndSaysWhereOneStands) {
  Options options;
  options.spawns_at_once = 1;
  open(options);
  home([&] { engine_->hold("start"); });
  std::vector<InstanceId> ids;
  for (int i = 0; i < 4; ++i) {
    auto made = ask("person" + std::to_string(i), "one");
    ASSERT_TRUE(made);
    ids.push_back(made->id);
    EXPECT_EQ(made->state, i == 0 ? InstanceState::kPreparing : InstanceState::kQueued);
  }
  const auto place_of = [this](InstanceId id) -> asio::awaitable<std::size_t> {
    const auto place = service_->queue_place(id);
    co_return place ? place->position : 0;
  };
  for (std::size_t i = 1; i < ids.size(); ++i) EXPECT_EQ(run(place_of(ids[i])), i);
  // The second leaves; the third moves up.
  ASSERT_TRUE(run(service_->stop(ids[1], "user", "")));
  EXPECT_EQ(wait(ids[1], true).state, InstanceState::kStopped);
  EXPECT_EQ(run(place_of(ids[2])), 1u);
  home([&] { engine_->release("start"); });
  for (const std::size_t i : {0u, 2u, 3u}) EXPECT_EQ(wait(ids[i]).state, InstanceState::kRunning);
}

TEST_F(R1_8_Service, AnEndedLeaseEndsTheInstance) {
  Options options;
  options.expiry_interval = 1s;
  open(options);
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  wait(made->id);
  clock_.advance(3601s);
  const auto ended = wait(made->id, true);
  EXPECT_EQ(ended.state, InstanceState::kStopped);
  EXPECT_EQ(ended.reason->code, "expiry");
}

TEST_F(R8_1_Service, TheEndOfALeaseIsAJobThatComesMovesAndGoesWithIt) {
  open();
  const auto ends = [this] {
    auto page = run(jobs_->list({kLeaseEnd, jobs::JobState::kWaiting, 0, 100}));
    EXPECT_TRUE(page);
    return page ? page->jobs : std::vector<jobs::JobView>{};
  };
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  const auto instance = wait(made->id);
  ASSERT_EQ(ends().size(), 1u);
  EXPECT_EQ(ends()[0].payload, instance.id.str());
  EXPECT_EQ(ends()[0].due, *instance.expires_at);
  clock_.advance(1801s);
  const auto longer = run(service_->extend(instance.id, "ann"));
  ASSERT_TRUE(longer) << longer.error().message;
  ASSERT_EQ(ends().size(), 1u);
  EXPECT_EQ(ends()[0].due, *longer->expires_at);
  ASSERT_TRUE(stop(instance.id));
  wait(instance.id, true);
  EXPECT_TRUE(ends().empty());
}

TEST_F(R8_1_Service, ALeaseThatEndsWhileTheServerIsAwayEndsAtItsStart) {
  open();
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  wait(made->id);
  close();
  clock_.advance(3601s);
  open();
  EXPECT_EQ(wait(made->id, true).reason->code, "expiry");
}

/// As left behind by a server that did not write ends down as jobs, and as after an operator who cancelled one.
TEST_F(R8_1_Service, AnEndWithoutAJobIsFound) {
  Options options;
  options.expiry_interval = 1s;
  const auto lose = [this] {
    return run(store_->write([](soci::session& sql) -> Result<> {
      sql << "DELETE FROM jobs WHERE kind = 'labs.lease-end'";
      return {};
    }));
  };
  open(options);
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  wait(made->id);
  close();
  ASSERT_TRUE(lose());
  open(options);
  auto page = run(jobs_->list({kLeaseEnd, jobs::JobState::kWaiting, 0, 100}));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->jobs.size(), 1u);
  ASSERT_TRUE(run(jobs_->cancel(page->jobs[0].id, "ann")));
  clock_.advance(3610s);
  EXPECT_EQ(wait(made->id, true).reason->code, "expiry");
}

TEST_F(R8_1_Service, AStoreThatRefusesTheEndIsAskedAgain) {
  Options options;
  options.sweep_interval = 24h;  // whose look at the instance would be in the way just then
  open(options);
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  wait(made->id);
  arm_failpoints("labs.stop.accept.before=error@1");
  clock_.advance(3601s);
  EXPECT_EQ(wait(made->id, true).reason->code, "expiry");
  arm_failpoints("");
  EXPECT_TRUE(until([this] { return jobs_->kind(kLeaseEnd)->measured == 2; })) << "the first attempt failed";
}

TEST_F(R8_1_Service, APausedSweepLeavesOrphansUntilItIsResumed) {
  Options options;
  options.sweep_interval = 1s;
  options.sweep_window = 0s;
  open(options);
  const auto sweeps = [this] { return jobs_->kind("labs.sweep")->measured; };
  ASSERT_TRUE(until([&] { return sweeps() >= 2; }));
  ASSERT_TRUE(run(jobs_->pause("labs.sweep", true, "ann")));
  ASSERT_TRUE(until([&] { return jobs_->kind("labs.sweep")->running == 0; }));
  const auto before = home(sweeps);
  clock_.advance(60s);
  EXPECT_FALSE(until([&] { return sweeps() > before; }, 300ms));
  ASSERT_TRUE(run(jobs_->pause("labs.sweep", false, "ann")));
  EXPECT_TRUE(until([&] { return sweeps() > before; }));
}

TEST_F(R1_5_Service, WithoutIsolationNothingStarts) {
  open();
  engine_->set_isolation(false);
  engine_->fail_next("ensure_isolation", Error{Code::kUnavailable, "isolation-missing", "No.", "", {}}, 100);
  EXPECT_EQ(ask("ann", "one").error().reason, "isolation-unavailable");
  EXPECT_EQ(engine_->calls("create"), 0);
}

TEST_F(R1_5_Service, IsolationThatGoesAwayAfterAdmissionStopsTheStart) {
  open();
  run(arm_after_admission());
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  const auto ended = wait(made->id, true);
  EXPECT_EQ(ended.state, InstanceState::kFailed);
  EXPECT_EQ(ended.reason->code, "isolation-missing");
  EXPECT_EQ(engine_->calls("create"), 0);
  subscription_.reset();
}

TEST_F(R1_5_Service, ARangeThatSomebodyElseUsesIsLeftAlone) {
  open();
  engine_->fail_next("create_network", Error{Code::kConflict, "address-taken", "Taken.", "", {}}, 2);
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
}

TEST_F(R1_13_Service, ALostAnswerMakesNothingTwice) {
  open();
  for (const auto* verb : {"create", "start", "create_network"}) {
    engine_->lose_answer(verb);
    auto made = ask("ann", "one");
    ASSERT_TRUE(made);
    EXPECT_EQ(wait(made->id).state, InstanceState::kRunning) << verb;
    EXPECT_EQ(engine_->machine_count(), 1u) << verb;
    ASSERT_TRUE(run(service_->stop(made->id, "user", "ann")));
    wait(made->id, true);
  }
}

TEST_F(R1_13_Service, ARestartTakesRunningAndQueuedInstancesUpAgain) {
  Options options;
  options.spawns_at_once = 1;
  open(options);
  auto running = ask("ann", "one");
  ASSERT_TRUE(running);
  const auto before = wait(running->id);
  close();
  open(options);
  const auto after = wait(running->id);
  EXPECT_EQ(after.state, InstanceState::kRunning);
  EXPECT_EQ(after.expires_at, before.expires_at);
  EXPECT_EQ(after.plan.endpoints[0].address, before.plan.endpoints[0].address);
  EXPECT_EQ(engine_->machine_count(), 1u);
  EXPECT_EQ(ask("ann", "one").error().reason, "instance-exists");
  // Its address is not given to anybody else.
  auto other = ask("bob", "one");
  ASSERT_TRUE(other);
  EXPECT_NE(wait(other->id).plan.endpoints[0].address, before.plan.endpoints[0].address);
}

TEST_F(R1_13_Service, AMachineGoneForGoodEndsTheInstanceOneThatEndedIsMended) {
  open();
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  const auto instance = wait(made->id);
  home([&] { engine_->end_machine(instance.plan.machines[0].name, 137); });
  EXPECT_TRUE(run(runs_again(instance.plan.machines[0].name)));
  home([&] { engine_->lose_machine(instance.plan.machines[0].name); });
  const auto ended = wait(made->id, true);
  EXPECT_EQ(ended.state, InstanceState::kFailed);
  EXPECT_EQ(ended.reason->code, "engine-loss");
}

TEST_F(R1_13_Service, WhatIsSeenAsStoppedMayBeStartedAgain) {
  open();
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  arm_failpoints("labs.stop.commit.before=hold");
  ASSERT_TRUE(run(service_->stop(made->id, "user", "ann")));
  while (failpoint_passes("labs.stop.commit.before") == 0) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(run(service_->find(made->id)).value()->state, InstanceState::kStopping);
  EXPECT_EQ(ask("ann", "one").error().reason, "instance-exists");
  arm_failpoints("");
  EXPECT_EQ(wait(made->id, true).state, InstanceState::kStopped);
  EXPECT_TRUE(ask("ann", "one"));
}

TEST_F(R1_13_Service, WhatAnEngineRefusesWhileItStopsCostsNoInstance) {
  open();
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  const auto name = wait(made->id).plan.machines[0].name;
  const Error closing{Code::kInvalid, "engine-refused", "The engine refused: database not open", "", {}};
  home([&] {
    engine_->fail_next("start", closing, 2);
    engine_->end_machine(name, 0);
  });
  EXPECT_TRUE(run(runs_again(name)));
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
}

TEST_F(R1_7_Service, AnEngineThatIsAwayRefusesAndAllGoesOnWhenItIsBack) {
  open();
  home([&] { engine_->go_away(); });
  EXPECT_EQ(ask("ann", "one").error().reason, "engine-unavailable");
  home([&] { engine_->come_back(); });
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
}

TEST_F(R1_6_Service, EachMachineIsShownAsItIs) {
  std::ofstream(folder_ / "templates" / "one" / "instance.toml")
      << "[[endpoint]]\nname = \"web\"\nmachine = \"main\"\nport = 8000\n[ready]\ninterval = 50\n";
  std::ofstream(folder_ / "templates" / "one" / "compose.yaml")
      << "services:\n  init: {image: test/one:1, command: [\"true\"]}\n  main:\n    image: test/one:1\n"
         "    depends_on: {init: {condition: service_completed_successfully}}\n";
  open();
  auto made = ask("ann", "one");
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(wait(made->id).state, InstanceState::kRunning);
  const auto machine = [&](const char* name) {
    const auto live = service_->live(made->id);
    return *std::ranges::find(live->instance.plan.machines, name, &PlannedMachine::service);
  };
  const auto stands = [&](MachineHealth health) {
    return [&, health] {
      return machine("init").state == MachineIs::kDone && machine("main").state == MachineIs::kRunning &&
             machine("main").health == health;
    };
  };
  EXPECT_TRUE(until(stands(MachineHealth::kUnknown))) << "one has done its work, the other runs";
  home([&] { engine_->set_health(machine("main").name, engine::Health::kUnhealthy); });
  EXPECT_TRUE(until(stands(MachineHealth::kUnhealthy)));
  EXPECT_EQ(service_->live(made->id)->instance.state, InstanceState::kRunning) << "the instance runs all the same";
  const auto shown = home([&] { return instance_view(*service_, service_->live(made->id)->instance, {}); });
  EXPECT_EQ(shown.at("machines").at(0).at("state"), "done");
  EXPECT_EQ(shown.at("machines").at(1).at("health"), "unhealthy");
  ASSERT_TRUE(until([&] { return service_->live(made->id)->free(); }));
  close();
  home([&] { engine_->go_away(); });
  put_together();
  const auto load = [](templates::Catalogue* catalogue, Service* service) -> asio::awaitable<bool> {
    const bool loaded = (co_await catalogue->load()).has_value();
    co_return loaded && (co_await service->start()).has_value();
  };
  ASSERT_TRUE(run(load(catalogue_.get(), service_.get())));
  EXPECT_TRUE(until(stands(MachineHealth::kUnhealthy))) << "the rows say how they were";
  home([&] { engine_->come_back(); });
  close();
}

/// Waits for what never comes, and hears nobody.
class Stuck final : public Step {
 public:
  explicit Stuck(std::atomic<int>& made) : made_(made) {}
  std::string name() const override { return "stuck"; }
  std::vector<std::string> after() const override { return {"machines"}; }
  asio::awaitable<Result<>> make(SpawnRef) override {
    ++made_;
    co_await sleep_for(24h);
    co_return Result<>{};
  }
  asio::awaitable<Result<>> undo(SpawnRef) override { co_return Result<>{}; }

 private:
  std::atomic<int>& made_;
};

class R1_13_Stuck : public Range {
 protected:
  R1_13_Stuck() {
    more_steps_ = [this](Steps& steps) { steps.push_back(std::make_unique<Stuck>(made_)); };
  }
  ~R1_13_Stuck() override { close(); }

  std::atomic<int> made_ = 0;
};

TEST_F(R1_13_Stuck, AStartThatTakesTooLongIsUndoneAndSaysInWhichStep) {
  Options options;
  options.spawn_limit = 1s;
  options.cut_after = 50ms;
  open(options);
  const auto asked = ask("ann", "one");
  ASSERT_TRUE(asked) << asked.error().message;
  const auto ended = wait(asked->id, true);
  EXPECT_EQ(ended.state, InstanceState::kFailed);
  ASSERT_TRUE(ended.reason);
  EXPECT_EQ(ended.reason->code, "spawn-too-long");
  EXPECT_EQ(ended.reason->text, "The start was given up after 1 s (labs.spawn_limit), in its step \"stuck\".");
  EXPECT_EQ(engine_->machine_count(), 0u);
  EXPECT_TRUE(ask("ann", "one")) << "its place is free again";
}

TEST_F(R1_13_Stuck, AStepThatCannotGoOnCanBeStopped) {
  Options options;
  options.cut_after = 50ms;
  open(options);
  const auto asked = ask("ann", "one");
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_TRUE(until([this] { return made_ == 1; }));
  ASSERT_TRUE(stop(asked->id));
  const auto ended = wait(asked->id, true);
  EXPECT_EQ(ended.state, InstanceState::kStopped);
  EXPECT_EQ(ended.reason->code, "user");
  EXPECT_EQ(engine_->machine_count(), 0u);
}

}  // namespace
}  // namespace tiltyard::labs
