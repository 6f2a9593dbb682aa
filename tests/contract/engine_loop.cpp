#include "engine_loop.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <stdexcept>

namespace tiltyard::engine::contract {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Loop::State {
  asio::io_context context{1};
};

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;

asio::any_io_executor Loop::executor() { return state_->context.get_executor(); }

void Loop::drive(asio::awaitable<void> work) {
  bool done = false;
  std::exception_ptr failure;
  auto finished = [&](std::exception_ptr error) {
    failure = error;
    done = true;
  };
  asio::co_spawn(state_->context, std::move(work), finished);
  const auto deadline = Clock::now() + 2min;
  state_->context.restart();
  while (!done && Clock::now() < deadline) {
    if (state_->context.stopped()) state_->context.restart();
    state_->context.run_one_for(100ms);
  }
  // The frames of what still runs point into this test: nothing sensible can come after.
  if (!done) throw std::runtime_error("nothing ended within two minutes");
  if (failure) std::rethrow_exception(failure);
}

bool Loop::until(std::function<bool()> condition, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    if (state_->context.stopped()) state_->context.restart();
    state_->context.run_one_for(5ms);
  }
  return true;
}

void Loop::turn(std::chrono::milliseconds time) {
  until([] { return false; }, time);
}

}  // namespace tiltyard::engine::contract
