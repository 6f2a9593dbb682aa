#include "labs/machines.h"

#include <fmt/format.h>

#include <algorithm>

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
    if (!is_over(machine.state)) works.push_back(one_machine(engine, machine.handle, verb, some_ended));
  }
  auto results = co_await all_of(std::move(works));
  co_return first_error(std::move(results));
}

namespace {

bool is_reached(const Plan& plan, const std::string& service) {
  return std::ranges::find(plan.endpoints, service, &PlannedEndpoint::machine) != plan.endpoints.end();
}

}  // namespace

bool matters(const Plan& plan, const PlannedMachine& machine) {
  return plan.endpoints.empty() || is_reached(plan, machine.service);
}

bool all_over(const Plan& plan) {
  return std::ranges::all_of(plan.machines,
                             [&](const PlannedMachine& one) { return is_over(one.state) || !matters(plan, one); });
}

namespace {

/// A machine that others wait for until it has completed does its work once and ends.
bool runs_once(const templates::Template& tmpl, const std::string& service) {
  return std::ranges::any_of(tmpl.services, [&](const templates::Service& other) {
    const auto found = other.depends_on.find(service);
    return found != other.depends_on.end() && found->second == templates::DependsOn::kCompleted;
  });
}

/// From here on an exit code says by which signal a program was ended (as shells have it), not what it thought itself.
constexpr int kKilled = 128;

}  // namespace

bool stays_ended(const Spawn& spawn, const std::string& service, int exit_code) {
  std::string_view policy;
  if (const auto& tmpl = spawn.origin()) {
    if (runs_once(*tmpl, service)) return true;
    const auto found = std::ranges::find(tmpl->services, service, &templates::Service::name);
    if (found != tmpl->services.end()) policy = found->container.restart;
  }
  if (policy == "no") return true;
  if (policy.starts_with("on-failure")) return exit_code == 0;
  if (!policy.empty()) return false;
  return !is_reached(spawn.facts().plan, service) && exit_code < kKilled;
}

Error ended_by_themselves(const Plan& plan) {
  std::string which;
  for (const auto& machine : plan.machines) {
    if (!matters(plan, machine)) continue;
    which += fmt::format("{}'{}' {}", which.empty() ? "" : ", ", machine.service,
                         machine.state == MachineIs::kDone ? "is done (exit code 0)" : "has ended with a failure");
  }
  return {Code::kConflict,
          "machines-ended",
          fmt::format("No machine that matters runs any more: {}. `restart: always` in the compose file has one that "
                      "ends started again.",
                      which),
          {},
          {}};
}

void close_book(PlannedMachine& machine, int exit_code) {
  machine.state = exit_code == 0 ? MachineIs::kDone : MachineIs::kEnded;
  machine.health = MachineHealth::kUnknown;
}

namespace {

bool note(Plan& plan, const std::string& name, std::optional<MachineIs> state, std::optional<MachineHealth> health) {
  for (auto& machine : plan.machines) {
    if (machine.name != name) continue;
    const auto before = std::pair(machine.state, machine.health);
    // That it stays so is more than its engine knows, also where somebody has cleared it away.
    const bool gone = state == MachineIs::kExited || state == MachineIs::kAbsent;
    if (!gone || !is_over(machine.state)) machine.state = state.value_or(machine.state);
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
