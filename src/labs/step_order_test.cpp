// What steps promise each other, looked at when they are put together; and a spawn that hangs is not one for ever.
#include <fmt/format.h>

#include "labs/range_test.h"
#include "labs/step_order.h"

namespace tiltyard::labs {
namespace {

using Names = std::vector<std::string>;

struct Plain : Step {
  Plain(std::string name, Names after, Names before = {}, bool in_pool = true)
      : name_(std::move(name)), after_(std::move(after)), before_(std::move(before)), in_pool_(in_pool) {}

  std::string name() const override { return name_; }
  Names after() const override { return after_; }
  Names before() const override { return before_; }
  bool in_pool() const override { return in_pool_; }
  asio::awaitable<Result<>> make(SpawnRef) override { co_return Result<>{}; }
  asio::awaitable<Result<>> undo(SpawnRef) override { co_return Result<>{}; }

 private:
  std::string name_;
  Names after_, before_;
  bool in_pool_;
};

template <class... Each>
Result<StepOrder> order(Each... each) {
  Steps steps;
  (steps.push_back(std::make_unique<Plain>(std::move(each))), ...);
  return StepOrder::make(std::move(steps));
}

Names names(const Result<StepOrder>& order) {
  Names out;
  if (order) {
    for (const auto& node : *order) out.push_back(node.name);
  }
  return out;
}

testing::AssertionResult refused(const Result<StepOrder>& order, const char* one, const char* other) {
  if (order) return testing::AssertionFailure() << "was not refused";
  const auto& message = order.error().message;
  const bool both = message.find(fmt::format("'{}'", one)) != std::string::npos &&
                    message.find(fmt::format("'{}'", other)) != std::string::npos;
  return both ? testing::AssertionSuccess() : testing::AssertionFailure() << message;
}

TEST(R1_13_Order, EachStandsBehindWhatItWaitsFor) {
  const auto made = order(Plain("routes", {"ready"}), Plain("ready", {"machines"}), Plain("network", {}),
                          Plain("machines", {"network"}), Plain("flags", {}, {"machines"}));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(names(made), (Names{"network", "flags", "machines", "ready", "routes"}));
  EXPECT_EQ((*made)[2].after, (std::vector<std::size_t>{0, 1}));
}

TEST(R1_13_Order, WhatDoesNotFitIsRefusedWithBothNames) {
  EXPECT_TRUE(refused(order(Plain("a", {"nothing"})), "a", "nothing"));
  EXPECT_TRUE(refused(order(Plain("a", {}, {"nobody"})), "a", "nobody"));
  EXPECT_TRUE(refused(order(Plain("a", {}), Plain("a", {})), "a", "a"));
  EXPECT_TRUE(refused(order(Plain("a", {"a"})), "a", "a"));
  EXPECT_TRUE(refused(order(Plain("start", {}), Plain("a", {"b", "start"}), Plain("b", {"a"})), "a", "b"));
}

TEST(R1_14_Order, AStepOfPoolsDoesNotWaitForOneOfTheClaim) {
  EXPECT_TRUE(refused(order(Plain("routes", {}, {}, false), Plain("record", {"routes"})), "record", "routes"));
  EXPECT_TRUE(order(Plain("routes", {}, {}, false), Plain("record", {"routes"}, {}, false)));
}

/// Its make never ends by itself, as one that waits for what does not come.
struct Endless final : Step {
  std::string name() const override { return "endless"; }
  Names after() const override { return {"network"}; }
  Names before() const override { return {"machines"}; }
  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    while (!spawn->given_up()) co_await spawn->change(10s);
    co_return fail(Code::kCancelled, "cancelled", "The start was given up.");
  }
  asio::awaitable<Result<>> undo(SpawnRef) override { co_return Result<>{}; }
};

using R1_13_Steps = Range;

TEST_F(R1_13_Steps, AStartWhoseStepsWaitIsStoppedAtOnce) {
  more_steps_ = [](Steps& steps) { steps.push_back(std::make_unique<Endless>()); };
  open();
  auto asked = ask("ann", "one");
  ASSERT_TRUE(asked);
  ASSERT_TRUE(until([&] { return service_->live(asked->id)->instance.state == InstanceState::kPreparing; }));
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(stop(asked->id));
  EXPECT_EQ(wait(asked->id, true).state, InstanceState::kStopped);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_EQ(engine_->machine_count(), 0u);
}

TEST_F(R1_13_Steps, AServerWhoseStepsDoNotFitDoesNotStart) {
  open();
  close();
  more_steps_ = [](Steps& steps) { steps.push_back(std::make_unique<Plain>("late", Names{"routse"})); };
  put_together();
  const auto started = run(service_->start());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "steps-wrong");
  run(gateway_->stop(100ms));
  forget();
}

}  // namespace
}  // namespace tiltyard::labs
