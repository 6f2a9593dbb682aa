#include "labs/lease_clock.h"

#include <algorithm>

#include "base/failpoint.h"
#include "jobs/jobs.h"
#include "labs/lease.h"
#include "labs/reasons.h"

namespace tiltyard::labs {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// An end that nobody works on so long after its time has lost its job.
constexpr seconds kSurelyLate{5};
/// An extension that is being written moves the job; if it cannot be written, the end is as it was.
constexpr seconds kLookAgainWithin{1};

}  // namespace

void LeaseClock::declare_jobs() {
  jobs::Kind kind;
  kind.name = kLeaseEnd;
  kind.about = "Stops an instance whose lease has ended.";
  kind.tries = 1'000'000;  // there is no point at which it may run on
  kind.backoff = {seconds{1}, minutes{1}};
  kind.at_once = 100;
  kind.handler = [this](jobs::Firing firing) { return end(InstanceId(firing.payload)); };
  parts_.jobs.declare(std::move(kind));
  parts_.jobs.declare_poll(
      job_kind("labs.leases", "Looks for ended leases whose job is gone.", minutes{1}, [this] { return check(); }),
      options_.expiry_interval);
}

/// Of those that were started by a server that did not write them down as jobs, too.
asio::awaitable<Result<>> LeaseClock::keep_ends() {
  std::vector<Instance> leased;
  for (const auto& live : instances_) {
    if (lease_due(live->instance)) leased.push_back(live->instance);
  }
  if (leased.empty()) co_return Result<>{};
  co_return co_await rows_.keep_lease_ends(std::move(leased));
}

asio::awaitable<Result<jobs::Next>> LeaseClock::end(InstanceId id) {
  const auto held = instances_.find(id);
  const auto due = held ? lease_due(held->instance) : std::nullopt;
  if (!due || held->ending()) co_return jobs::Next::done();
  const auto now = parts_.clock.now();
  if (*due > now) co_return jobs::Next::again(std::min<Duration>(*due - now, kLookAgainWithin));
  co_await failpoint("labs.expiry.before");
  auto stopped = co_await endings_.stop(id, "expiry", "");
  if (!stopped) co_return fail(std::move(stopped.error()));
  co_await failpoint("labs.expiry.after");
  co_return jobs::Next::done();
}

/// Staff may have cancelled the job.
asio::awaitable<Result<jobs::Next>> LeaseClock::check() {
  std::vector<Instance> late;
  for (const auto& live : instances_) {
    const auto due = lease_due(live->instance);
    if (due && !live->ending() && *due + kSurelyLate <= parts_.clock.now()) late.push_back(live->instance);
  }
  if (late.empty()) co_return jobs::Next::done();
  auto kept = co_await rows_.keep_lease_ends(std::move(late));
  if (!kept) co_return fail(std::move(kept.error()));
  co_return jobs::Next::done();
}

asio::awaitable<Result<Instance>> LeaseClock::extend(InstanceId id, bus::Actor actor) {
  const auto held = instances_.find(id);
  if (!held) co_return fail(Code::kNotFound, reason::kInstanceUnknown, "There is no such instance.");
  Instance& instance = held->instance;
  if (!is_up(instance.state) || !instance.started_at || !instance.expires_at) {
    co_return fail(Code::kConflict, "instance-not-running", "Only a running instance can be extended.");
  }
  const LeaseState lease{*instance.started_at, *instance.expires_at, instance.extensions, instance.added};
  auto longer = labs::extend(instance.lease, lease, parts_.clock.now());
  if (!longer) co_return fail(std::move(longer.error()));
  instance.expires_at = longer->expires_at;
  instance.extensions = longer->extensions;
  instance.added = longer->added;
  auto saved = co_await instances_.save(held, events::kExtended, actor);
  if (!saved) {
    // Unless it has moved on meanwhile: then the newer truth stays.
    if (instance.extensions == longer->extensions) {
      instance.expires_at = lease.expires_at;
      instance.extensions = lease.extensions;
      instance.added = lease.added;
    }
    co_return fail(std::move(saved.error()));
  }
  co_return instance;
}

}  // namespace tiltyard::labs
