// What happens by the clock, as jobs: leases end, orphans are swept, usage is measured (docs/jobs.md).
#include <malloc.h>

#include <algorithm>
#include <utility>

#include "base/failpoint.h"
#include "labs/lease.h"
#include "labs/service.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kSweep = "labs.sweep";
/// An end that nobody works on so long after its time has lost its job.
constexpr seconds kSurelyLate{5};
/// An extension that is being written moves the job; if it cannot be written, the end is as it was.
constexpr seconds kLookAgainWithin{1};

jobs::Kind kind_of(const char* name, const char* about, std::chrono::milliseconds timeout,
                   std::function<asio::awaitable<Result<jobs::Next>>()> work) {
  jobs::Kind kind;
  kind.name = name;
  kind.about = about;
  kind.timeout = timeout;
  kind.handler = [work = std::move(work)](jobs::Firing) { return work(); };
  return kind;
}

}  // namespace

void Service::declare_jobs() {
  auto& jobs = parts_.jobs;
  jobs::Kind end;
  end.name = kLeaseEnd;
  end.about = "Stops an instance whose lease has ended.";
  end.tries = 1'000'000;  // there is no point at which it may run on
  end.backoff = {seconds{1}, minutes{1}};
  end.at_once = 100;
  end.handler = [this](jobs::Firing firing) { return end_lease(InstanceId(firing.payload)); };
  jobs.declare(std::move(end));
  jobs.declare_poll(kind_of("labs.leases", "Looks for ended leases whose job is gone.", minutes{1},
                            [this] { return check_leases(); }),
                    options_.expiry_interval);
  auto sweep = kind_of(kSweep, "Lays the engine beside the database: removes orphans, mends what has stopped.",
                       minutes{30}, [this] { return sweep_and_check(); });
  sweep.backoff = {minutes{1}, minutes{10}};
  sweep.at_once = 1;
  jobs.declare(std::move(sweep));
  jobs.declare(jobs::Service::Recurring{kSweep, "sweep", {}, *jobs::Schedule::every(options_.sweep_interval)});
  jobs.declare_poll(
      kind_of("labs.usage", "Measures what instances use.", minutes{10}, [this] { return measure_usage(); }),
      options_.usage_interval);
  jobs.declare_poll(kind_of(kPools, "Fills and thins the warm pools.", minutes{1}, [this] { return look_at_pools(); }),
                    seconds{1});
  jobs.declare_poll(kind_of(kQueueNews, "Tells those who wait for a start how far they have come.", minutes{1},
                            [this] { return tell_queue(); }),
                    std::chrono::hours{1});
  if (!parts_.presence.activity) return;
  jobs.declare_poll(kind_of(kIdle, "Pauses instances that nobody uses.", minutes{10}, [this] { return pause_idle(); }),
                    minutes{1});
}

/// Of those that were started by a server that did not write them down as jobs, too.
asio::awaitable<Result<>> Service::keep_lease_ends() {
  std::vector<Instance> leased;
  for (const auto& live : live_) {
    if (lease_due(live->instance)) leased.push_back(live->instance);
  }
  if (leased.empty()) co_return Result<>{};
  co_return co_await rows_.keep_lease_ends(std::move(leased));
}

asio::awaitable<Result<jobs::Next>> Service::end_lease(InstanceId id) {
  const auto held = live(id);
  const auto due = held ? lease_due(held->instance) : std::nullopt;
  if (!due || held->stop_requested) co_return jobs::Next::done();
  const auto now = parts_.clock.now();
  if (*due > now) co_return jobs::Next::again(std::min<Duration>(*due - now, kLookAgainWithin));
  co_await failpoint("labs.expiry.before");
  auto stopped = co_await stop(id, "expiry", "");
  if (!stopped) co_return fail(std::move(stopped.error()));
  co_await failpoint("labs.expiry.after");
  co_return jobs::Next::done();
}

/// Staff may have cancelled the job.
asio::awaitable<Result<jobs::Next>> Service::check_leases() {
  std::vector<Instance> late;
  for (const auto& live : live_) {
    const auto due = lease_due(live->instance);
    if (due && !live->stop_requested && *due + kSurelyLate <= parts_.clock.now()) late.push_back(live->instance);
  }
  if (late.empty()) co_return jobs::Next::done();
  auto kept = co_await rows_.keep_lease_ends(std::move(late));
  if (!kept) co_return fail(std::move(kept.error()));
  co_return jobs::Next::done();
}

asio::awaitable<Result<jobs::Next>> Service::sweep_and_check() {
  // Whoever prunes the engine's volumes by hand takes the claim with them.
  auto claimed = co_await ownership_.claim();
  if (!claimed) log::error("labs", "the namespace is not ours", {{"message", claimed.error().message}});
  if (parts_.engine.away()) co_return jobs::Next::done();
  auto swept = co_await sweep(options_.sweep_window);
  // A machine that vanished without an event being seen.
  for (const auto& live : all_live()) {
    if (live->busy || live->stop_requested || !is_up(live->instance.state)) continue;
    const bool waits = live->instance.pool == PoolRole::kWaiting;
    begin(live, "check", waits ? shelve_again(live) : mend(live));
    co_await live->changed.wait_for(seconds{10});
  }
  // The engine's list of a thousand machines takes some MB for a moment, which would stay with us for good.
  ::malloc_trim(0);
  if (!swept) co_return fail(std::move(swept.error()));
  co_return jobs::Next::done();
}

asio::awaitable<Result<jobs::Next>> Service::measure_usage() {
  for (const auto& live : all_live()) {
    // What is paused uses no processor, but its memory is held; the time of what waits in a pool is nobody's.
    if (parts_.engine.away() || !is_up(live->instance.state) || live->instance.pool == PoolRole::kWaiting) continue;
    co_await sample(live);
  }
  co_return jobs::Next::done();
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
  const auto before = std::exchange(live->sampled, now);
  const bool first = before == SteadyClock::time_point{};
  const std::chrono::duration<double, std::ratio<3600>> hours = first ? SteadyClock::duration{} : now - before;
  // The engine counts from the machine's start; a machine that was started again begins at zero, and then the larger
  // stays.
  live->instance.cpu_seconds = std::max(live->instance.cpu_seconds, cpu);
  live->instance.memory_gib_hours += memory * hours.count();
  if (!this->live(live->instance.id)) co_return;
  co_await rows_.add_usage(live->instance.id, live->instance.cpu_seconds, live->instance.memory_gib_hours);
}

}  // namespace tiltyard::labs
