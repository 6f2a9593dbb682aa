// The fake engine keeps the contract, and is as troublesome as it is told to be.
#include <gmock/gmock.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "engine/fake/fake_engine.h"
#include "engine_contract.h"
#include "net/client.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class FakeBench final : public Bench {
 public:
  explicit FakeBench(Loop& loop) {
    FakeOptions options;
    options.name_space = name_space();
    options.images = {image()};
    engine_ = std::make_unique<FakeEngine>(loop.executor(), options);
  }

  Engine& engine() override { return *engine_; }
  std::string image() override { return "fake/machine:1"; }
  std::string name_space() override { return "faketest"; }
  // Machines of this process listen there; another run at the same time has other addresses.
  std::string prefix() override {
    return "127." + std::to_string(1 + ::getpid() % 200) + "." + std::to_string(::getpid() / 200 % 250);
  }
  void cut() override { engine_->go_away(); }
  void restore() override { engine_->come_back(); }
  void lose_answer(std::string verb) override { engine_->lose_answer(std::move(verb)); }
  void add_stranger(std::string name) override { engine_->add_stranger(std::move(name)); }
  void remove_stranger(std::string name) override { engine_->lose_machine(std::move(name)); }
  void remove_image(std::string) override {}

 private:
  std::unique_ptr<FakeEngine> engine_;
};

std::unique_ptr<Bench> make_fake(Loop& loop) { return std::make_unique<FakeBench>(loop); }

std::string backend(const testing::TestParamInfo<MakeBench>&) { return "0"; }

INSTANTIATE_TEST_SUITE_P(Fake, R14_2, testing::Values(&make_fake), backend);
INSTANTIATE_TEST_SUITE_P(Fake, R1_12, testing::Values(&make_fake), backend);
INSTANTIATE_TEST_SUITE_P(Fake, R1_13, testing::Values(&make_fake), backend);
INSTANTIATE_TEST_SUITE_P(Fake, R1_15, testing::Values(&make_fake), backend);

class R14_2_Fake : public EngineSuite {
 protected:
  FakeEngine& fake() { return dynamic_cast<FakeEngine&>(engine()); }
};
INSTANTIATE_TEST_SUITE_P(Fake, R14_2_Fake, testing::Values(&make_fake), backend);

TEST_P(R14_2_Fake, MachinesAnswerOnTheirAddress) {
  const NetworkSpec net = network("n", 0, false);
  ASSERT_TRUE(ok(await(engine().create_network(net))));
  MachineSpec spec = machine("web");
  spec.networks = {{net.name, address(0, 4), {}}};
  spec.exposed = {18080};
  const Handle handle = running(spec);
  http::Target target;
  target.host = address(0, 4);
  target.port = 18080;
  http::Client client(target);
  auto fetch = [&](std::string path) {
    http::Request request;
    request.target = std::move(path);
    return await(client.send(request, 2s));
  };
  const auto answer = fetch("/hello?x=1");
  ASSERT_TRUE(ok(answer));
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr("\"machine\":\"" + spec.name + "\""));
  EXPECT_THAT(answer->body, HasSubstr("\"path\":\"/hello?x=1\""));
  EXPECT_THAT(answer->body, HasSubstr(kLabelInstance));
  EXPECT_TRUE(ok(await(engine().stop(handle, 1s))));
  client.close_idle();
  EXPECT_EQ(reason(fetch("/")), "connect-failed");
}

TEST_P(R14_2_Fake, TroubleComesAsOrdered) {
  const Error full{Code::kExhausted, "engine-out-of-disk", "The engine has no disk space left.", {}, {}};
  fake().fail_next("create", full, 2);
  EXPECT_EQ(reason(created(machine("m"))), "engine-out-of-disk");
  EXPECT_EQ(reason(created(machine("m"))), "engine-out-of-disk");
  EXPECT_EQ(fake().machine_count(), 0u);
  EXPECT_TRUE(ok(created(machine("m"))));
  EXPECT_EQ(fake().calls("create"), 3);
  fake().set_isolation(false);
  EXPECT_EQ(reason(await(engine().start(FakeEngine::handle_of(unique("m"))))), "isolation-missing");
  EXPECT_EQ(reason(await(engine().ensure_isolation())), "isolation-missing");
}

TEST_P(R14_2_Fake, WhatAnEngineCannotIsSaid) {
  FakeOptions options;
  options.name = "plain";
  FakeEngine plain(loop_.executor(), options);
  for (const char* facet : {"images", "shell", "archives", "freezer"}) plain.lack(facet);
  EXPECT_FALSE(plain.images());
  EXPECT_FALSE(plain.shell());
  EXPECT_FALSE(plain.archives());
  EXPECT_FALSE(plain.freezer());
  const Error said = cannot(plain, "run commands in machines").error();
  EXPECT_EQ(said.reason, "engine-cannot");
  EXPECT_EQ(said.message, "The engine plain cannot run commands in machines.");
}

TEST_P(R14_2_Fake, HeldAndSlowCallsWait) {
  fake().set_latency("create", 30ms);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(ok(created(machine("m"))));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 30ms);
  fake().hold("start");
  bool started = false;
  auto finished = [&](const std::exception_ptr&, Result<> outcome) { started = outcome.has_value(); };
  asio::co_spawn(loop_.executor(), engine().start(FakeEngine::handle_of(unique("m"))), finished);
  EXPECT_FALSE(loop_.until([&] { return started; }, 50ms));
  fake().release("start");
  EXPECT_TRUE(loop_.until([&] { return started; }, 2s));
}

TEST_P(R14_2_Fake, CallInFlightIsLostWhenTheEngineGoes) {
  fake().hold("create");
  std::string outcome;
  auto finished = [&](const std::exception_ptr&, Result<Created> result) { outcome = reason(result); };
  asio::co_spawn(loop_.executor(), engine().create(machine("m")), finished);
  loop_.turn(10ms);
  fake().go_away();
  fake().release("create");
  EXPECT_TRUE(loop_.until([&] { return !outcome.empty(); }, 2s));
  EXPECT_EQ(outcome, "engine-lost");
}

}  // namespace
}  // namespace tiltyard::engine::contract
