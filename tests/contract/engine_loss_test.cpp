// What every engine promises about its own absence.
#include <gmock/gmock.h>

#include "engine_contract.h"

namespace tiltyard::engine::contract {
namespace {

using namespace std::chrono_literals;

TEST_P(R1_13, AbsenceIsNoticedSaidAndOvercome) {
  watch();
  const MachineSpec spec = machine("m");
  const Handle handle = running(spec);
  EXPECT_FALSE(engine().away());

  bench_->cut();
  ASSERT_TRUE(loop_.until([this] { return engine().away().has_value(); }, 5s))
      << "nobody noticed that the engine is gone";
  EXPECT_EQ(engine().away()->reason, "engine-away");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(reason(created(machine("other"))), "engine-away");
  EXPECT_EQ(reason(await(engine().start(handle))), "engine-away");
  EXPECT_EQ(reason(await(engine().inspect(handle))), "engine-away");
  EXPECT_EQ(reason(await(engine().list())), "engine-away");
  EXPECT_EQ(reason(await(engine().destroy(handle))), "engine-away");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s) << "an engine that is known to be away is not waited for";

  bench_->restore();
  ASSERT_TRUE(loop_.until([this] { return !engine().away(); }, 10s)) << "the engine did not come back by itself";
  EXPECT_TRUE(told("", Happening::kLost));
  EXPECT_TRUE(told("", Happening::kReconnected));
  EXPECT_EQ(await(engine().inspect(handle)).value().state, MachineState::kRunning);
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
}

TEST_P(R1_13, EventsGoOnAfterAnAbsence) {
  watch();
  const MachineSpec spec = machine("m");
  bench_->cut();
  ASSERT_TRUE(loop_.until([this] { return engine().away().has_value(); }, 5s));
  bench_->restore();
  ASSERT_TRUE(told("", Happening::kReconnected));
  const Handle handle = running(spec);
  EXPECT_TRUE(told(spec.name, Happening::kStarted));
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
  EXPECT_TRUE(told(spec.name, Happening::kDestroyed));
}

TEST_P(R14_2, SeveralHearWhatHappensUntilTheyGo) {
  watch();
  int heard = 0, heard_first = 0;
  Subscription second = engine().on_event([&](const EngineEvent&) { ++heard; });
  Subscription first_only = engine().on_event([&](const EngineEvent&) {
    ++heard_first;
    first_only.reset();
  });
  const MachineSpec spec = machine("m");
  const Handle handle = running(spec);
  EXPECT_TRUE(told(spec.name, Happening::kStarted));
  EXPECT_EQ(heard, static_cast<int>(events_.size()));
  EXPECT_EQ(heard_first, 1) << "who goes while being told hears no more";
  second.reset();
  const int before = heard;
  EXPECT_TRUE(ok(await(engine().destroy(handle))));
  EXPECT_TRUE(told(spec.name, Happening::kDestroyed));
  EXPECT_EQ(heard, before);
}

}  // namespace
}  // namespace tiltyard::engine::contract
