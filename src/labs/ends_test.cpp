// Machines that end: which stay so, which are started again, and what becomes of the rest.
#include <algorithm>

#include "labs/machines.h"
#include "labs/range_test.h"

namespace tiltyard::labs {
namespace {

class Ends : public Range {
 protected:
  /// A helper and a web server, which players reach.
  void add_pair(const std::string& id, const std::string& seed, const std::string& web = "") {
    add_template(
        id, "[[endpoint]]\nmachine = \"web\"\nport = 8000\nkind = \"http\"\n[ready]\ninterval = 50\ntimeout = 5\n");
    std::ofstream(folder_ / "templates" / id / "compose.yaml") << "services:\n  seed:\n    image: test/one:1\n"
                                                               << seed << "  web:\n    image: test/one:1\n"
                                                               << web << "    ports: [8000]\n";
  }

  Instance start_one(const std::string& tmpl) {
    auto made = ask("ann", tmpl);
    EXPECT_TRUE(made) << made.error().message;
    auto now = wait(made->id);
    EXPECT_EQ(now.state, InstanceState::kRunning) << (now.reason ? now.reason->text : "");
    return now;
  }

  static const PlannedMachine& machine(const Instance& instance, const std::string& service) {
    return *std::ranges::find(instance.plan.machines, service, &PlannedMachine::service);
  }

  MachineIs state_of(const InstanceId& id, const std::string& service) const {
    const auto live = service_->live(id);
    return live ? machine(live->instance, service).state : MachineIs::kAbsent;
  }

  void end_machine(const Instance& instance, const std::string& service, int exit_code) {
    home([&] { engine_->end_machine(machine(instance, service).name, exit_code); });
  }

  int starts() {
    return home([&] { return engine_->calls("start"); });
  }

  /// Its helper has ended, and nobody has started it again by the time that a web server which ends is.
  void expect_left_alone(const Instance& instance, MachineIs how) {
    ASSERT_TRUE(until([&] { return state_of(instance.id, "seed") == how; }));
    const int before = starts();
    end_machine(instance, "web", 1);
    ASSERT_TRUE(until([&] { return engine_->calls("start") > before; }));
    ASSERT_TRUE(run(runs_again(machine(instance, "web").name)));
    ASSERT_TRUE(until([&] { return service_->live(instance.id)->free(); }));
    EXPECT_EQ(starts(), before + 1) << "the web server alone";
    EXPECT_EQ(state_of(instance.id, "seed"), how);
    EXPECT_EQ(wait(instance.id).state, InstanceState::kRunning);
  }
};
using R1_6_Ends = Ends;
using R1_13_Ends = Ends;

TEST_F(R1_6_Ends, AHelperThatHasDoneItsWorkIsNotStartedAgain) {
  add_pair("pair", "    command: [\"true\"]\n");
  open();
  const auto instance = start_one("pair");
  EXPECT_EQ(starts(), 2);
  expect_left_alone(instance, MachineIs::kDone);
}

TEST_F(R1_6_Ends, OneThatEndsLaterOrWithAFailureStopsNothingElse) {
  add_pair("pair", "");
  open();
  auto instance = start_one("pair");
  end_machine(instance, "seed", 0);
  expect_left_alone(instance, MachineIs::kDone);
  ASSERT_TRUE(stop(instance.id));
  wait(instance.id, true);
  instance = start_one("pair");
  end_machine(instance, "seed", 1);
  expect_left_alone(instance, MachineIs::kEnded);
}

TEST_F(R1_6_Ends, AHelperThatWasKilledIsStartedAgainUntilItWasTooOften) {
  add_pair("pair", "");
  open();
  const auto instance = start_one("pair");
  for (int i = 0; i < 3; ++i) {
    end_machine(instance, "seed", 137);
    ASSERT_TRUE(run(runs_again(machine(instance, "seed").name)));
    ASSERT_TRUE(until([&] { return service_->live(instance.id)->free(); }));
  }
  end_machine(instance, "seed", 137);
  ASSERT_TRUE(until([&] { return state_of(instance.id, "seed") == MachineIs::kEnded; }));
  EXPECT_EQ(wait(instance.id).state, InstanceState::kRunning);
}

TEST_F(R1_6_Ends, AnInstanceEndsWithTheLastMachineThatMatters) {
  add_pair("pair", "", "    restart: \"no\"\n");
  open();
  const auto instance = start_one("pair");
  end_machine(instance, "web", 0);
  const auto ended = wait(instance.id, true);
  EXPECT_EQ(ended.state, InstanceState::kFailed);
  EXPECT_EQ(ended.reason->code, "machines-ended");
  EXPECT_NE(ended.reason->text.find("'web' is done"), std::string::npos) << ended.reason->text;
  EXPECT_EQ(engine_->machine_count(), 0u);
}

TEST_F(R1_13_Ends, ARestartOfTheServerStartsNothingThatIsDone) {
  add_pair("pair", "    command: [\"true\"]\n");
  open();
  const auto instance = start_one("pair");
  ASSERT_TRUE(until([&] { return state_of(instance.id, "seed") == MachineIs::kDone; }));
  const int before = starts();
  close();
  open();
  ASSERT_TRUE(until([&] { return service_->live(instance.id)->free(); }));
  EXPECT_EQ(starts(), before);
  expect_left_alone(instance, MachineIs::kDone);
}

TEST_F(R1_13_Ends, WhatEndedWhileTheServerWasAwayHasEndedByItselfIfTheOthersRun) {
  add_pair("pair", "");
  open();
  const auto instance = start_one("pair");
  close();
  home([&] { engine_->end_machine(machine(instance, "seed").name, 0); });
  open();
  expect_left_alone(instance, MachineIs::kDone);
}

TEST_F(R1_13_Ends, WhatAnEngineThatEndsTakesAlongIsStartedAgain) {
  add_pair("pair", "");
  open();
  const auto instance = start_one("pair");
  end_machine(instance, "seed", 0);
  ASSERT_TRUE(until([&] { return state_of(instance.id, "seed") == MachineIs::kDone; }));
  home([&] {
    engine_->end_machine(machine(instance, "web").name, 0);
    engine_->go_away();
  });
  home([&] { engine_->come_back(); });
  EXPECT_TRUE(run(runs_again(machine(instance, "seed").name)));
  EXPECT_TRUE(run(runs_again(machine(instance, "web").name)));
  EXPECT_TRUE(until([&] { return is_up(service_->live(instance.id)->instance.state); }));
}

TEST_F(R1_13_Ends, WhoClearsDoneMachinesAwayTakesNothing) {
  add_pair("pair", "    command: [\"true\"]\n");
  open();
  const auto instance = start_one("pair");
  ASSERT_TRUE(until([&] { return state_of(instance.id, "seed") == MachineIs::kDone; }));
  home([&] { engine_->lose_machine(machine(instance, "seed").name); });
  const int before = starts();
  end_machine(instance, "web", 1);
  ASSERT_TRUE(until([&] { return engine_->calls("start") > before; }));
  ASSERT_TRUE(run(runs_again(machine(instance, "web").name)));
  EXPECT_EQ(wait(instance.id).state, InstanceState::kRunning);
}

TEST_F(R1_6_Ends, WhatStaysEndedIsAsTheTemplateHasIt) {
  struct Case {
    const char* restart;
    int exit_code;
    bool reached, helper;  ///< whether a machine that players reach, or another one, stays ended
  };
  for (const auto& [restart, exit_code, reached, helper] : {
           Case{"", 0, false, true},
           Case{"", 1, false, true},
           Case{"", 137, false, false},
           Case{"no", 0, true, true},
           Case{"no", 137, true, true},
           Case{"always", 0, false, false},
           Case{"unless-stopped", 1, false, false},
           Case{"on-failure", 0, true, true},
           Case{"on-failure:3", 0, true, true},
           Case{"on-failure", 1, false, false},
       }) {
    auto tmpl = std::make_shared<templates::Template>();
    tmpl->services.resize(2);
    tmpl->services[0].name = "web";
    tmpl->services[1].name = "seed";
    for (auto& service : tmpl->services) service.container.restart = restart;
    Live live;
    live.tmpl = tmpl;
    live.instance.plan.endpoints.push_back({.name = "web", .machine = "web"});
    EXPECT_EQ(stays_ended(live, "web", exit_code), reached) << restart << " " << exit_code;
    EXPECT_EQ(stays_ended(live, "seed", exit_code), helper) << restart << " " << exit_code;
    tmpl->services[0].depends_on["seed"] = templates::DependsOn::kCompleted;
    EXPECT_TRUE(stays_ended(live, "seed", exit_code));
  }
}

}  // namespace
}  // namespace tiltyard::labs
