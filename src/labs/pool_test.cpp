// Warm pools and claims, over the fake engine.
#include <algorithm>
#include <random>
#include <set>

#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

constexpr char kPooled[] =
    "name = \"One\"\nimage = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\ntimeout = 5\n[pool]\nmin = 2\nmax "
    "= 4\n";
constexpr char kFrozen[] =
    "name = \"One\"\nimage = \"test/one:1\"\nports = [8000, 7]\n[ready]\ninterval = 50\n[pool]\nmin = 2\npause = "
    "true\n";

/// Stands for what a flag file shows: nobody's secret while it waits, the owner's from the claim on.
class Stamp final : public Step {
 public:
  std::string name() const override { return "stamp"; }
  std::vector<std::string> after() const override { return {"machines"}; }
  asio::awaitable<Result<>> make(SpawnRef spawn) override { co_return stamp(spawn->facts()); }
  asio::awaitable<Result<>> claim(SpawnRef spawn) override { co_return stamp(spawn->facts()); }
  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    shown.erase(spawn->facts().id);
    co_return Result<>{};
  }

  std::map<InstanceId, std::string> shown;              ///< what a visitor would read now
  std::map<InstanceId, std::set<std::string>> history;  ///< every owner that it was ever shown for

 private:
  Result<> stamp(const Instance& instance) {
    shown[instance.id] = instance.owner;
    if (!instance.owner.empty()) history[instance.id].insert(instance.owner);
    return {};
  }
};

class Pooled : public Range {
 protected:
  Pooled() {
    add_template("one", kPooled);
    more_steps_ = [this](Steps& steps) {
      auto stamp = std::make_unique<Stamp>();
      if (stamp_) {
        stamp->shown = stamp_->shown;
        stamp->history = stamp_->history;
      }
      stamp_ = stamp.get();
      steps.push_back(std::move(stamp));
    };
  }

  /// Over a restart the step of before is gone, and what it wrote is still there.
  void restart() {
    run(end());
    keep_ = *stamp_;
    forget();
    stamp_ = &keep_;
    open();
  }

  bool full(std::size_t count = 2) {
    return until([this, count] { return waiting("one") == count; });
  }

  Stamp* stamp_ = nullptr;
  Stamp keep_;
};

using R1_14_Pool = Pooled;

TEST_F(R1_14_Pool, AClaimGivesARunningInstanceAndTheShelfFillsUpAgain) {
  open();
  ASSERT_TRUE(full());
  EXPECT_EQ(engine_->machine_count(), 2u);
  EXPECT_TRUE(gateway_->published().empty()) << "what waits has no route";
  home([&] { engine_->hold("create"); });  // of whatever takes its place on the shelf
  const int starts = engine_->calls("start");
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->state, InstanceState::kRunning);
  EXPECT_EQ(claimed->owner, "ann");
  EXPECT_EQ(claimed->expires_at, *claimed->started_at + 3600s);
  EXPECT_EQ(engine_->calls("start"), starts) << "nothing was started for it";
  home([&] { engine_->release("create"); });
  EXPECT_EQ(stamp_->shown[claimed->id], "ann");
  EXPECT_EQ(gateway_->published(), std::vector<std::string>{claimed->id.str()});
  EXPECT_EQ(ask("ann", "one").error().reason, "instance-exists");
  ASSERT_TRUE(full());
  ASSERT_TRUE(stop(claimed->id));
  EXPECT_EQ(wait(claimed->id, true).state, InstanceState::kStopped);
  EXPECT_EQ(engine_->machine_count(), 2u);
}

TEST_F(R1_14_Pool, DemandRaisesItAndQuietLowersIt) {
  add_template("one",
               "image = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\n[pool]\nmin = 1\nmax = 3\nidle = 2\n");
  open();
  ASSERT_TRUE(full(1));
  for (const auto* who : {"ann", "bob", "cat", "dan"}) {
    ASSERT_TRUE(until([this] { return waiting("one") > 0; }));
    ASSERT_TRUE(ask(who, "one"));
  }
  EXPECT_TRUE(full(3)) << "four claims within the idle time, but never more than max";
  EXPECT_TRUE(full(1)) << "what nobody asked for goes after the idle time";
}

TEST_F(R1_14_Pool, AnEmptyShelfIsNoObstacle) {
  Options options;
  options.instances_per_owner = 1;
  open(options);
  ASSERT_TRUE(full());
  std::vector<InstanceId> ids;
  for (const auto* who : {"a", "b", "c", "d", "e"}) {
    auto made = ask(who, "one");
    ASSERT_TRUE(made) << made.error().message;
    ids.push_back(made->id);
  }
  for (const auto& id : ids) EXPECT_EQ(wait(id).state, InstanceState::kRunning);
  EXPECT_EQ(std::set<InstanceId>(ids.begin(), ids.end()).size(), 5u);
}

TEST_F(R1_14_Pool, WhatWaitsIsPausedWhereTheTemplateSaysSoAndRunsAfterTheClaim) {
  add_template("one", kFrozen);
  open();
  ASSERT_TRUE(full());
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed);
  const auto machine = claimed->plan.machines[0].name;
  EXPECT_FALSE(home([&] { return engine_->is_frozen(machine); }));
  ASSERT_EQ(claimed->plan.endpoints.size(), 2u);
  EXPECT_NE(claimed->plan.endpoints[1].port, 0) << "a raw TCP port is given at the claim";
  const auto runs = [this, machine]() -> asio::awaitable<bool> {
    auto status = co_await engine_->inspect(engine::FakeEngine::handle_of(machine));
    co_return status && status->state == engine::MachineState::kRunning;
  };
  bool running = false;
  for (int i = 0; i < 500 && !running; ++i) running = run(runs());
  EXPECT_TRUE(running) << "the engine's own view follows";
}

TEST_F(R1_14_Pool, AMachineThatHasDoneItsWorkIsNoObstacleToFreezing) {
  add_template("one",
               "[[endpoint]]\nname = \"web\"\nmachine = \"main\"\nport = 8000\n[ready]\ninterval = 50\n[pool]\nmin = "
               "1\npause = true\n");
  std::ofstream(folder_ / "templates" / "one" / "compose.yaml")
      << "services:\n  init: {image: test/one:1, command: [\"true\"]}\n  main:\n    image: test/one:1\n"
         "    depends_on: {init: {condition: service_completed_successfully}}\n";
  open();
  ASSERT_TRUE(full(1));
  // The engine may tell late that it has ended.
  std::string waits;
  home([&] {
    const auto held = service_->all_live().at(0);
    waits = held->instance.id.str();
    engine_->tell_again(held->instance.plan.machines[0].name, engine::Happening::kDied);
  });
  ASSERT_TRUE(until([&] { return waiting("one") == 1 && service_->all_live().at(0)->free(); }));
  EXPECT_TRUE(gateway_->published().empty()) << "what waits has no route";
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->id.str(), waits);
  EXPECT_EQ(claimed->state, InstanceState::kRunning);
  for (const auto& machine : claimed->plan.machines)
    EXPECT_FALSE(home([&] { return engine_->is_frozen(machine.name); }));
}

TEST_F(R1_14_Pool, WhatDiesWhileItWaitsIsReplacedAndNeverGivenOut) {
  open();
  ASSERT_TRUE(full());
  std::set<std::string> before;
  home([&] {
    for (const auto& live : service_->all_live()) before.insert(live->instance.plan.machines[0].name);
    for (const auto& name : before) engine_->lose_machine(name);
  });
  ASSERT_TRUE(until([&] {
    const bool gone =
        std::none_of(before.begin(), before.end(), [this](const auto& name) { return engine_->machine_spec(name); });
    return gone && waiting("one") == 2;
  }));
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed);
  EXPECT_FALSE(before.contains(claimed->plan.machines[0].name));
}

TEST_F(R1_14_Pool, AFillThatFailsIsUndoneAndTriedAgain) {
  engine_->fail_next("start", Error{Code::kExhausted, "engine-out-of-memory", "No.", "", {}}, 2);
  open();
  EXPECT_TRUE(full());
  EXPECT_EQ(engine_->machine_count(), 2u);
}

TEST_F(R1_14_Pool, AChangedTemplateGetsAnotherPool) {
  open();
  ASSERT_TRUE(full());
  add_template("one", std::string("description = \"Another\"\n") + kPooled);
  run([this]() -> asio::awaitable<void> { co_await catalogue_->reload(TemplateId("one")); }());
  const auto renewed = [this] {
    const auto entry = catalogue_->find(TemplateId("one"));
    if (!entry || entry->tmpl->description != "Another" || waiting("one") != 2) return false;
    for (const auto& live : service_->all_live()) {
      if (*live->instance.template_hash != entry->tmpl->hash) return false;
    }
    return true;
  };
  EXPECT_TRUE(until(renewed));
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed);
}

TEST_F(R1_14_Pool, AnEngineThatLeavesWithAHalfFullPoolFindsItMended) {
  open();
  ASSERT_TRUE(full());
  home([&] { engine_->go_away(); });
  EXPECT_EQ(ask("ann", "one").error().reason, "engine-unavailable");
  home([&] { engine_->come_back(); });
  ASSERT_TRUE(full());
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->state, InstanceState::kRunning);
}

TEST_F(R1_14_Pool, WhatWaitsOutlivesARestart) {
  open();
  ASSERT_TRUE(full());
  const int creates = home([&] { return engine_->calls("create"); });
  home([&] { engine_->set_latency("find_image", 100ms); });  // what waits is looked at before the images are
  restart();
  ASSERT_TRUE(full());
  EXPECT_EQ(home([&] { return engine_->calls("create"); }), creates);
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed);
  restart();
  EXPECT_EQ(wait(claimed->id).owner, "ann");
  EXPECT_EQ(stamp_->shown[claimed->id], "ann");
  EXPECT_TRUE(full());
}

TEST_F(R1_14_Pool, CreatedMachinesStartAtTheClaim) {
  Options options;
  options.pool_choice = [](const templates::Template&) {
    return PoolChoice{PoolKind::kCreated, "reads its flag at start"};
  };
  open(options);
  ASSERT_TRUE(full());
  EXPECT_EQ(engine_->calls("start"), 0);
  auto claimed = ask("ann", "one");
  ASSERT_TRUE(claimed);
  const auto creates = engine_->calls("create");
  EXPECT_EQ(wait(claimed->id).state, InstanceState::kRunning);
  EXPECT_GE(engine_->calls("start"), 1);
  EXPECT_LE(engine_->calls("create"), creates + 2) << "its own machine was there already";
  EXPECT_EQ(stamp_->shown[claimed->id], "ann");
}

TEST_F(R1_14_Pool, NoneWhereTheFlagIsInTheEnvironment) {
  Options options;
  options.pool_choice = [](const templates::Template&) {
    return PoolChoice{PoolKind::kNone, "its flag is in the environment"};
  };
  open(options);
  auto made = ask("ann", "one");
  ASSERT_TRUE(made);
  EXPECT_EQ(wait(made->id).state, InstanceState::kRunning);
  EXPECT_EQ(made->pool, PoolRole::kNone);
  ASSERT_TRUE(until([this] { return !service_->pools().empty(); }));
  EXPECT_EQ(home([&] { return service_->pools()[0].reason; }), "its flag is in the environment");
}

/// Whatever happens in whatever order: no instance is ever two owners', and nobody reads another owner's stamp.
class R1_14_PoolProperty : public Pooled, public testing::WithParamInterface<unsigned> {};

TEST_P(R1_14_PoolProperty, NoInstanceIsEverTwoOwners) {
  std::mt19937 random(GetParam());
  const auto pick = [&random](std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
  };
  const std::vector<std::string> people{"ann", "bob", "cat", "dan"};
  std::map<InstanceId, std::string> owner_of;
  int version = 0;
  open();
  const auto hold_together = [&] {
    std::map<std::string, int> live_of;
    for (const auto& live : service_->all_live()) {
      const auto& instance = live->instance;
      if (instance.owner.empty()) continue;
      const auto [known, fresh] = owner_of.emplace(instance.id, instance.owner);
      EXPECT_EQ(known->second, instance.owner) << instance.id.str() << " changed hands";
      ++live_of[instance.owner];
      if (instance.state == InstanceState::kRunning && live->free())
        EXPECT_EQ(stamp_->shown[instance.id], instance.owner);
    }
    for (const auto& [who, count] : live_of) EXPECT_LE(count, 1) << who << " has two of one template";
    for (const auto& [id, owners] : stamp_->history)
      EXPECT_LE(owners.size(), 1u) << id.str() << " was shown for two owners";
    return true;
  };
  for (int step = 0; step < 40; ++step) {
    switch (pick(8)) {
      case 0:
      case 1:
      case 2: {
        std::vector<std::future<Result<Instance>>> asked;
        for (std::size_t i = pick(4) + 1; i > 0; --i) {
          const auto work = service_->request(person(people[pick(people.size())]), TemplateId("one"), "");
          asked.push_back(asio::co_spawn(loops_.home(), std::move(const_cast<asio::awaitable<Result<Instance>>&>(work)),
                                         asio::use_future));
        }
        for (auto& one : asked) one.get();
        break;
      }
      case 3:
      case 4: {
        const auto all = home([&] { return service_->all_live(); });
        if (!all.empty()) (void)stop(all[pick(all.size())]->instance.id);
        break;
      }
      case 5:
        clock_.advance(std::chrono::seconds{pick(2) == 0 ? 600 : 4000});
        break;
      case 6: {
        home([&] {
          const auto all = service_->all_live();
          if (!all.empty() && !all[0]->instance.plan.machines.empty())
            engine_->lose_machine(all[0]->instance.plan.machines[0].name);
        });
        break;
      }
      case 7:
        if (pick(2) == 0) {
          restart();
        } else {
          add_template("one", "description = \"v" + std::to_string(++version) + "\"\n" + kPooled);
          run([this]() -> asio::awaitable<void> { co_await catalogue_->reload(TemplateId("one")); }());
        }
        break;
    }
    until(hold_together);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, R1_14_PoolProperty, testing::Range(1u, 21u));

}  // namespace
}  // namespace tiltyard::labs
