#include "labs/machines.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kQuiet{200}, kQuietAtMost{3'000};

bool ended(const engine::MachineStatus& status) {
  return status.state == engine::MachineState::kExited || status.state == engine::MachineState::kDead;
}

/// The engine says why it refuses, but only its status says that the machine has ended.
asio::awaitable<Result<>> one_machine(engine::Engine& engine, engine::Handle handle, MachineVerb verb,
                                      std::shared_ptr<bool> some_ended) {
  auto done = co_await (engine.freezer()->*verb)(handle);
  if (done || done.error().code != Code::kInvalid) co_return done;
  auto status = co_await engine.inspect(handle);
  if (!status || !ended(*status)) co_return done;
  *some_ended = true;
  co_return Result<>{};
}

}  // namespace

asio::awaitable<Result<>> each_machine(engine::Engine& engine, LiveRef live, MachineVerb verb,
                                       std::shared_ptr<bool> some_ended) {
  if (!engine.freezer()) co_return engine::cannot(engine, "pause machines");
  std::vector<asio::awaitable<Result<>>> works;
  for (const auto& machine : live->instance.plan.machines) {
    works.push_back(one_machine(engine, machine.handle, verb, some_ended));
  }
  auto results = co_await all_of(std::move(works));
  co_return first_error(std::move(results));
}

namespace {

bool note(Plan& plan, const std::string& name, std::optional<MachineIs> state, std::optional<MachineHealth> health) {
  for (auto& machine : plan.machines) {
    if (machine.name != name) continue;
    const auto before = std::pair(machine.state, machine.health);
    machine.state = state.value_or(machine.state);
    machine.health = health.value_or(machine.health);
    return before != std::pair(machine.state, machine.health);
  }
  return false;
}

}  // namespace

bool note(Plan& plan, const engine::EngineEvent& event) {
  using enum engine::Happening;
  switch (event.what) {
    case kStarted:
    case kResumed:
      return note(plan, event.machine, MachineIs::kRunning, std::nullopt);
    case kPaused:
      return note(plan, event.machine, MachineIs::kPaused, std::nullopt);
    case kDied:
      return note(plan, event.machine, MachineIs::kExited, MachineHealth::kUnknown);
    case kDestroyed:
      return note(plan, event.machine, MachineIs::kAbsent, MachineHealth::kUnknown);
    case kHealthy:
      return note(plan, event.machine, std::nullopt, MachineHealth::kHealthy);
    case kUnhealthy:
      return note(plan, event.machine, std::nullopt, MachineHealth::kUnhealthy);
    case kOutOfMemory:
    case kLost:
    case kReconnected:
      break;
  }
  return false;
}

bool note(Plan& plan, const std::string& machine, const engine::MachineStatus& status) {
  const auto state = [&] {
    switch (status.state) {
      case engine::MachineState::kAbsent:
        return MachineIs::kAbsent;
      case engine::MachineState::kCreated:
        return MachineIs::kCreated;
      case engine::MachineState::kRunning:
      case engine::MachineState::kRestarting:
        return MachineIs::kRunning;
      case engine::MachineState::kPaused:
        return MachineIs::kPaused;
      case engine::MachineState::kExited:
      case engine::MachineState::kDead:
        return MachineIs::kExited;
    }
    return MachineIs::kAbsent;
  };
  const auto health = [&] {
    switch (status.health) {
      case engine::Health::kNone:
        return MachineHealth::kUnknown;
      case engine::Health::kStarting:
        return MachineHealth::kStarting;
      case engine::Health::kHealthy:
        return MachineHealth::kHealthy;
      case engine::Health::kUnhealthy:
        return MachineHealth::kUnhealthy;
    }
    return MachineHealth::kUnknown;
  };
  return note(plan, machine, state(), health());
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
