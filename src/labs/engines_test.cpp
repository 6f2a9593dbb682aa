// Several engines under one service.
#include <fmt/format.h>
#include <soci/soci.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

class R14_2_Labs : public Range {
 protected:
  R14_2_Labs() {
    engine::FakeOptions options;
    options.name = "second";
    options.images = {"test/one:1"};
    second_ = std::make_shared<engine::FakeEngine>(loops_.home(), options);
  }
  ~R14_2_Labs() override {
    if (service_) close();
    run(second_->close());
  }

  std::optional<Error> unreachable(const InstanceId& id) {
    const auto found = run(service_->find(id)).value();
    std::optional<Error> why;
    home([&] { why = service_->unreachable(*found); });
    return why;
  }

  std::shared_ptr<engine::FakeEngine> second_;
};

TEST_F(R14_2_Labs, WhatIsOnAnEngineThatIsNotConfiguredStaysAndComesBackWithIt) {
  engines_.add("second", second_, {.pool = "127.96.0.0/12"});
  engines_.make_new_on("second");
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made) << made.error().message;
  const auto there = wait(made->id);
  ASSERT_EQ(there.state, InstanceState::kRunning);
  EXPECT_EQ(*there.plan.engine, "second");
  EXPECT_EQ(second_->machine_count(), 1u);
  EXPECT_EQ(engine_->machine_count(), 0u);
  EXPECT_FALSE(unreachable(made->id));
  close();
  const int destroyed = second_->calls("destroy");

  engines_ = engine::Engines(*engine_);
  open();
  const auto why = unreachable(made->id);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->reason, "engine-away");
  EXPECT_NE(why->message.find("second is not configured"), std::string::npos) << why->message;
  const auto other = ask("ben", "one");
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(wait(other->id).state, InstanceState::kRunning) << "the other engine is not concerned";
  EXPECT_EQ(engine_->machine_count(), 1u);
  EXPECT_EQ(run(service_->sweep(0s)).value(), 0u);
  EXPECT_EQ(run(service_->find(made->id)).value()->state, InstanceState::kRunning);
  // Who ends it meanwhile is heard, and it goes when it can.
  ASSERT_TRUE(stop(other->id));
  EXPECT_EQ(wait(other->id, true).state, InstanceState::kStopped);
  close();
  EXPECT_EQ(second_->machine_count(), 1u);
  EXPECT_EQ(second_->calls("destroy"), destroyed);

  engines_.add("second", second_, {.pool = "127.96.0.0/12"});
  open();
  EXPECT_FALSE(unreachable(made->id));
  EXPECT_TRUE(until([&, this] { return !gateway_->published().empty(); })) << "its routes are made again";
  ASSERT_TRUE(stop(made->id));
  EXPECT_EQ(wait(made->id, true).state, InstanceState::kStopped);
  EXPECT_EQ(second_->machine_count(), 0u);
}

TEST_F(R14_2_Labs, ATemplateMayNameItsEngineAndOneThatIsAwayKeepsNobodyElseWaiting) {
  add_template("far", "image = \"test/one:1\"\nengine = \"second\"\nports = [8000]\n[ready]\ninterval = 50\n");
  engines_.add("second", second_, {.name_space = "other", .pool = "127.96.0.0/12"});
  open();
  const auto far = ask("ann", "far"), near = ask("ann", "one");
  ASSERT_TRUE(far && near);
  const auto there = wait(far->id), here = wait(near->id);
  ASSERT_EQ(there.state, InstanceState::kRunning);
  ASSERT_EQ(here.state, InstanceState::kRunning);
  EXPECT_EQ(*there.plan.engine, "second");
  EXPECT_TRUE(there.plan.machines[0].name.starts_with("other-")) << there.plan.machines[0].name;
  EXPECT_TRUE(there.plan.machines[0].attachments[0].address.starts_with("127.9")) << "of its engine's own pool";
  EXPECT_EQ(*here.plan.engine, "default");
  EXPECT_EQ(engine_->machine_count(), 1u);
  EXPECT_EQ(second_->machine_count(), 1u);

  home([&] { second_->go_away(); });
  EXPECT_EQ(ask("ben", "far").error().reason, "engine-unavailable");
  EXPECT_TRUE(unreachable(far->id));
  EXPECT_FALSE(unreachable(near->id));
  const auto more = ask("ben", "one");
  ASSERT_TRUE(more) << more.error().message;
  EXPECT_EQ(wait(more->id).state, InstanceState::kRunning);
  home([&] { second_->come_back(); });
  ASSERT_TRUE(stop(far->id));
  EXPECT_EQ(wait(far->id, true).state, InstanceState::kStopped);
}

TEST_F(R14_2_Labs, AStopOnAnEngineThatIsNotConfiguredIsCarriedOutWhenItIs) {
  engines_.add("second", second_, {.pool = "127.96.0.0/12"});
  engines_.make_new_on("second");
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(wait(made->id).state, InstanceState::kRunning);
  close();
  engines_ = engine::Engines(*engine_);
  open();
  ASSERT_TRUE(stop(made->id));
  EXPECT_TRUE(until([&, this] { return service_->live(made->id)->instance.state == InstanceState::kStopping; }));
  close();
  EXPECT_EQ(second_->machine_count(), 1u);
  engines_.add("second", second_, {.pool = "127.96.0.0/12"});
  open();
  EXPECT_EQ(wait(made->id, true).state, InstanceState::kStopped);
  EXPECT_EQ(second_->machine_count(), 0u);
}

TEST_F(R14_2_Labs, AddressesAreThoseThatTheEngineGives) {
  open();
  // Outside of the pool, and not where another run of these tests listens.
  const std::string given = fmt::format("127.{}.{}.7", 100 + ::getpid() % 100, ::getpid() / 100 % 250);
  home([&] { engine_->place_next(given); });
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made) << made.error().message;
  const auto instance = wait(made->id);
  ASSERT_EQ(instance.state, InstanceState::kRunning);
  EXPECT_EQ(instance.plan.machines[0].attachments[0].address, given);
  EXPECT_EQ(instance.plan.endpoints[0].address, given);
  EXPECT_EQ(instance.plan.machines[0].handle, engine::FakeEngine::handle_of(instance.plan.machines[0].name));
  close();
  open();
  EXPECT_EQ(wait(made->id).plan.endpoints[0].address, given) << "also after a restart";
}

/// Puts the rows into the form of the version before: engine and handles in the text of the plan.
Result<> as_before(soci::session& sql) {
  soci::rowset<soci::row> rows = (sql.prepare << "SELECT id, plan, engine FROM instances");
  std::vector<std::pair<std::string, std::string>> changed;
  for (const auto& row : rows) {
    auto plan = boost::json::parse(row.get<std::string>(1)).as_object();
    plan["engine"] = row.get<std::string>(2);
    for (auto& machine : plan["machines"].as_array()) {
      const auto handle = engine::FakeEngine::handle_of(std::string(machine.at("name").as_string()));
      machine.as_object()["handle"] = boost::json::array{handle.version, handle.data};
    }
    changed.emplace_back(row.get<std::string>(0), boost::json::serialize(plan));
  }
  for (const auto& [id, plan] : changed)
    sql << "UPDATE instances SET engine = '', plan = :plan WHERE id = :id", soci::use(plan), soci::use(id);
  sql << "UPDATE machines SET engine = '', handle = ''";
  return {};
}

TEST_F(R14_2_Labs, WhatTheVersionBeforeKeptInPlansIsTakenOver) {
  add_template("pooled", "image = \"test/one:1\"\nports = [8000]\n[ready]\ninterval = 50\n[pool]\nmin = 1\nmax = 1\n");
  engines_.add("second", second_, {.pool = "127.96.0.0/12"});
  engines_.make_new_on("second");
  open();
  const auto made = ask("ann", "one");
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(wait(made->id).state, InstanceState::kRunning);
  const auto filled = [this] {
    const auto pools = service_->pools();
    return !pools.empty() && pools.front().ready == 1;
  };
  ASSERT_TRUE(until(filled));
  close();
  ASSERT_TRUE(run(store_->write(as_before)));

  const auto handle_of = [](const Instance& instance) {
    return engine::FakeEngine::handle_of(instance.plan.machines[0].name);
  };
  open();
  ASSERT_TRUE(until(filled)) << "what waited is on its shelf again";
  const auto claimed = ask("ben", "pooled");
  ASSERT_TRUE(claimed) << claimed.error().message;
  ASSERT_EQ(wait(claimed->id).pool, PoolRole::kClaimed);
  close();
  open();
  for (const auto& id : {made->id, claimed->id}) {
    const auto now = wait(id);
    EXPECT_EQ(now.state, InstanceState::kRunning);
    EXPECT_EQ(*now.plan.engine, "second");
    EXPECT_EQ(now.plan.machines[0].handle, handle_of(now));
    ASSERT_TRUE(stop(id));
    const auto ended = wait(id, true);
    EXPECT_EQ(ended.state, InstanceState::kStopped);
    EXPECT_EQ(*run(service_->find(id)).value()->plan.engine, "second") << "its history says where it was";
  }
}

}  // namespace
}  // namespace tiltyard::labs
