#include "gateway/event_loop.h"

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <new>

namespace tiltyard::gateway {
namespace {

using namespace std::chrono_literals;

struct Deadline final : Timed {
  explicit Deadline(int to_fail = 0) : failures(to_fail) {}
  void on_deadline() override {
    ++calls;
    if (failures-- > 0) throw std::bad_alloc();
  }
  int failures, calls = 0;
};

TEST(R2_1, ADeadlineThatFailsTakesNoOtherWithIt) {
  asio::io_context context;
  const auto loop = std::make_shared<EventLoop>(context.get_executor());
  loop->start();
  Deadline before, fails(1), beside, after;
  loop->enter([&] {
    const auto now = loop->now();
    loop->set_deadline(before, now + 100ms);
    loop->set_deadline(fails, now + 100ms);
    loop->set_deadline(beside, now + 100ms);
    loop->set_deadline(after, now + 400ms);
  });
  int caught = 0;
  const auto until = Clock::now() + 10s;
  while ((after.calls == 0 || fails.calls < 2) && Clock::now() < until) {
    try {
      context.run_for(50ms);
    } catch (const std::bad_alloc&) { ++caught; }
  }
  EXPECT_EQ(caught, 1) << "whose loop it is hears of it";
  EXPECT_EQ(before.calls, 1);
  EXPECT_EQ(beside.calls, 1);
  EXPECT_EQ(after.calls, 1) << "deadlines go on";
  EXPECT_EQ(fails.calls, 2) << "and the one that failed is tried again";
  loop->stop();
  context.run_for(10ms);
}

}  // namespace
}  // namespace tiltyard::gateway
