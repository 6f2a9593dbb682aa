// Machines that are started again by us and not by the engine.
#include "engine/docker/restarts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "engine/docker/machine_body.h"

namespace tiltyard::engine::docker {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(R1_5, TheEngineIsNeverToldToStartAMachineByItself) {
  MachineSpec machine;
  machine.name = "m";
  machine.container().restart = "on-failure:3";
  const Body now = machine_body(machine, {}, {});
  EXPECT_THAT(now.json, HasSubstr(R"("RestartPolicy":{"Name":"no","MaximumRetryCount":0})"));
  EXPECT_THAT(now.json, HasSubstr(R"("tiltyard.restart":"on-failure:3")"));
  machine.container().restart = "no";
  EXPECT_EQ(machine_body(machine, {}, {}).json.find("tiltyard.restart"), std::string::npos);
}

TEST(R1_5, AllMachinesAreInOneGroupWhereThereIsOne) {
  MachineSpec machine;
  BodyOptions options;
  const Body before = machine_body(machine, {}, options);
  options.cgroup_parent = "tiltyard_machines.slice";
  const Body now = machine_body(machine, {}, options);
  EXPECT_THAT(now.json, HasSubstr(R"("CgroupParent":"tiltyard_machines.slice")"));
  EXPECT_EQ(before.hash, now.hash) << "a machine of a version without it is the same";
}

TEST(R1_13, PoliciesAreWhatDockerMakesOfThem) {
  for (const char* policy : {"always", "unless-stopped"}) {
    EXPECT_TRUE(goes_on(policy, 0, 1000)) << policy;
    EXPECT_TRUE(goes_on(policy, 137, 0)) << policy;
  }
  EXPECT_TRUE(goes_on("on-failure", 1, 1000));
  EXPECT_FALSE(goes_on("on-failure", 0, 0));
  EXPECT_TRUE(goes_on("on-failure:3", 1, 2));
  EXPECT_FALSE(goes_on("on-failure:3", 1, 3));
  EXPECT_FALSE(goes_on("no", 1, 0));
  EXPECT_EQ(restart_pause(0), 100ms);
  EXPECT_EQ(restart_pause(3), 800ms);
  EXPECT_EQ(restart_pause(1000), 60s);
}

class R1_13_Restarts : public testing::Test {
 protected:
  void heard(Happening what, std::string exit_code = "1") {
    restarts_.heard({what, "m", {{kLabelRestart, "on-failure:2"}, {"exitCode", std::move(exit_code)}}});
  }
  void turn() {
    context_.restart();
    context_.run_one_for(5s);
  }
  /// Until nothing is under way any more.
  void settle() {
    for (int i = 0; i < 100 && restarts_.under_way("m"); ++i) turn();
  }
  void TearDown() override {
    context_.restart();
    asio::co_spawn(context_, restarts_.close(), asio::detached);
    context_.run();
  }

  asio::awaitable<Result<>> start(Handle handle) {
    started_.push_back(handle.data);
    co_return answer_;
  }

  asio::io_context context_;
  std::vector<std::string> started_;
  Result<> answer_;
  Restarts restarts_{context_.get_executor(), [this](Handle handle) { return start(std::move(handle)); }};
};

TEST_F(R1_13_Restarts, WhatEndsIsStartedAgainAsOftenAsIsSaid) {
  for (int i = 0; i < 2; ++i) {
    heard(Happening::kStarted);
    heard(Happening::kDied);
    EXPECT_TRUE(restarts_.under_way("m"));
    settle();
  }
  EXPECT_EQ(started_.size(), 2u);
  heard(Happening::kDied);
  EXPECT_FALSE(restarts_.under_way("m")) << "twice is all";
}

TEST_F(R1_13_Restarts, WhatEndsWellStaysEnded) {
  heard(Happening::kStarted);
  heard(Happening::kDied, "0");
  EXPECT_FALSE(restarts_.under_way("m"));
}

TEST_F(R1_13_Restarts, WhatWeEndOurselvesStaysEnded) {
  restarts_.ended_by_us("m");
  heard(Happening::kDied);
  EXPECT_FALSE(restarts_.under_way("m"));
  restarts_.started_by_us("m");
  heard(Happening::kDied);
  EXPECT_TRUE(restarts_.under_way("m"));
  restarts_.ended_by_us("m");
  EXPECT_FALSE(restarts_.under_way("m")) << "in the pause before";
}

TEST_F(R1_13_Restarts, WithoutTheFirewallItIsTriedLater) {
  answer_ = fail(Code::kUnavailable, "isolation-missing", "No.");
  heard(Happening::kStarted);
  heard(Happening::kDied);
  for (int i = 0; i < 100 && started_.size() < 2; ++i) turn();
  EXPECT_TRUE(restarts_.under_way("m"));
  answer_ = {};
  settle();
  EXPECT_EQ(started_.size(), 3u);
}

}  // namespace
}  // namespace tiltyard::engine::docker
