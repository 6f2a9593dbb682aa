// What happens by the clock: leases end, orphans are swept, usage is measured.
#include <algorithm>

#include "base/failpoint.h"
#include "labs/lease.h"
#include "labs/service.h"
#include "observe/log.h"

namespace tiltyard::labs {

using SteadyClock = std::chrono::steady_clock;

/// Sleeps until the next lease ends (or changes), and looks again at least every `expiry_interval`.
asio::awaitable<void> Service::expiry_loop() {
  while (true) {
    const auto now = parts_.clock.now();
    Duration nearest = options_.expiry_interval;
    for (const auto& live : all_live()) {
      const auto& instance = live->instance;
      const bool leased = instance.state == InstanceState::kRunning || instance.state == InstanceState::kPaused;
      if (!leased || !instance.expires_at || live->stop_requested) continue;
      const auto due = expiry_due(instance.lease, *instance.expires_at);
      if (due <= now) gate_.spawn(parts_.home, "expire " + instance.id.str(), expire(live));
      else nearest = std::min(nearest, Duration(due - now));
    }
    co_await lease_changed_.wait_for(std::max(nearest, Duration(std::chrono::milliseconds{1})));
  }
}

asio::awaitable<void> Service::expire(LiveRef live) {
  co_await failpoint("labs.expiry.before");
  auto stopped = co_await stop(live->instance.id, "expiry", "");
  if (stopped) {
    co_await failpoint("labs.expiry.after");
    co_return;
  }
  log::warn("labs", "an ended lease could not be acted upon yet",
            {{"instance", live->instance.id.str()}, {"reason", stopped.error().reason}});
}

asio::awaitable<void> Service::sweep_loop() {
  while (true) {
    co_await sleep_for(options_.sweep_interval);
    if (parts_.engine.away()) continue;
    auto swept = co_await sweep(options_.sweep_window);
    if (!swept) log::warn("labs", "a sweep failed", {{"reason", swept.error().reason}, {"cause", swept.error().cause}});
    // A machine that vanished without an event being seen.
    for (const auto& live : all_live()) {
      const bool up = live->instance.state == InstanceState::kRunning || live->instance.state == InstanceState::kPaused;
      if (live->busy || live->stop_requested || !up) continue;
      const bool waits = live->instance.pool == PoolRole::kWaiting;
      begin(live, "check", waits ? shelve_again(live) : mend(live));
      co_await live->changed.wait_for(std::chrono::seconds{10});
    }
  }
}

asio::awaitable<void> Service::usage_loop() {
  while (true) {
    co_await sleep_for(options_.usage_interval);
    for (const auto& live : all_live()) {
      // What is paused uses no processor, but its memory is held.
      const bool up = live->instance.state == InstanceState::kRunning || live->instance.state == InstanceState::kPaused;
      if (parts_.engine.away() || !up) continue;
      if (live->instance.pool == PoolRole::kWaiting) continue;  // its time is nobody's
      co_await sample(live);
    }
  }
}

/// Adds what the instance used since the last look: CPU time as the engine counts it, memory times hours.
asio::awaitable<void> Service::sample(LiveRef live) {
  double cpu = 0, memory = 0;
  const auto machines = live->instance.plan.machines;
  for (const auto& machine : machines) {
    auto stats = co_await parts_.engine.stats(engine::Handle{1, machine.name});
    if (!stats) co_return;
    cpu += static_cast<double>(stats->cpu_nanos) / 1e9;
    memory += static_cast<double>(stats->memory) / (1024.0 * 1024 * 1024);
  }
  const auto now = SteadyClock::now();
  const auto place = sampled_.try_emplace(live->instance.id, now).first;
  const std::chrono::duration<double, std::ratio<3600>> hours = now - place->second;
  place->second = now;
  // The engine counts from the machine's start; a machine that was started again begins at zero, and then the larger stays.
  live->instance.cpu_seconds = std::max(live->instance.cpu_seconds, cpu);
  live->instance.memory_gib_hours += memory * hours.count();
  if (!this->live(live->instance.id)) co_return;
  co_await rows_.add_usage(live->instance.id, live->instance.cpu_seconds, live->instance.memory_gib_hours);
}

}  // namespace tiltyard::labs
