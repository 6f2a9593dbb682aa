#include "labs/machines.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kQuiet{200}, kQuietAtMost{3'000};

bool ended(const engine::MachineStatus& status) {
  return status.state == engine::MachineState::kExited || status.state == engine::MachineState::kDead;
}

/// The engine says why it refuses, but only its status says that the machine has ended.
asio::awaitable<Result<>> one_machine(engine::Engine& engine, std::string name, MachineVerb verb,
                                      std::shared_ptr<bool> some_ended) {
  const engine::Handle handle{1, std::move(name)};
  auto done = co_await (engine.*verb)(handle);
  if (done || done.error().code != Code::kInvalid) co_return done;
  auto status = co_await engine.inspect(handle);
  if (!status || !ended(*status)) co_return done;
  *some_ended = true;
  co_return Result<>{};
}

}  // namespace

asio::awaitable<Result<>> each_machine(engine::Engine& engine, LiveRef live, MachineVerb verb,
                                       std::shared_ptr<bool> some_ended) {
  std::vector<asio::awaitable<Result<>>> works;
  for (const auto& machine : live->instance.plan.machines) {
    works.push_back(one_machine(engine, machine.name, verb, some_ended));
  }
  auto results = co_await all_of(std::move(works));
  co_return first_error(std::move(results));
}

asio::awaitable<void> quiet_moment(Presence presence, LiveRef live) {
  const auto until = SteadyClock::now() + kQuietAtMost;
  while (presence.activity && !live->ending()) {
    const auto seen = presence.activity(live->instance.id);
    const auto now = SteadyClock::now();
    if (!seen || now >= until || (!seen->waiting && now - seen->last >= kQuiet)) co_return;
    co_await live->changed.wait_for(kQuiet / 4);
  }
}

}  // namespace tiltyard::labs
