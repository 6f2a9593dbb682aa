#include "labs/meter.h"

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "jobs/jobs.h"

namespace tiltyard::labs {

using SteadyClock = std::chrono::steady_clock;

void Meter::declare_jobs() {
  parts_.jobs.declare_poll(
      job_kind("labs.usage", "Measures what instances use.", std::chrono::minutes{10}, [this] { return measure(); }),
      options_.usage_interval);
}

asio::awaitable<Result<jobs::Next>> Meter::measure() {
  for (const auto& live : instances_.all()) {
    // What is paused uses no processor, but its memory is held; the time of what waits in a pool is nobody's.
    if (engine_of(*live).away() || !is_up(live->instance.state) || live->instance.pool == PoolRole::kWaiting) continue;
    co_await sample(live);
  }
  co_return jobs::Next::done();
}

/// Adds what the instance used since the last look: CPU time as the engine counts it, memory times hours.
asio::awaitable<void> Meter::sample(LiveRef live) {
  double cpu = 0, memory = 0;
  const auto machines = live->instance.plan.machines;
  for (const auto& machine : machines) {
    auto stats = co_await engine_of(*live).stats(machine.handle);
    if (!stats) co_return;
    cpu += static_cast<double>(stats->cpu_nanos) / 1e9;
    memory += static_cast<double>(stats->memory) / (1024.0 * 1024 * 1024);
  }
  const auto now = SteadyClock::now();
  const auto before = std::exchange(live->sampled, now);
  const bool first = before == SteadyClock::time_point{};
  const std::chrono::duration<double, std::ratio<3600>> hours = first ? SteadyClock::duration{} : now - before;
  // The engine counts from the machine's start; a machine that was started again begins at zero, and then the larger
  // stays.
  live->instance.cpu_seconds = std::max(live->instance.cpu_seconds, cpu);
  live->instance.memory_gib_hours += memory * hours.count();
  if (!instances_.knows(live)) co_return;
  co_await rows_.add_usage(live->instance.id, live->instance.cpu_seconds, live->instance.memory_gib_hours);
}

}  // namespace tiltyard::labs
