// A waiting instance becomes somebody's: one commit, then each step hands over what it made (row 1.14).
#include <fmt/format.h>

#include <algorithm>

#include "base/failpoint.h"
#include "engine/engine.h"
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "labs/lease.h"
#include "labs/machines.h"
#include "labs/measures.h"
#include "labs/warm_pools.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;

const metrics::Histogram& claim_seconds() {
  static const auto histogram =
      metrics::histogram(measures::kClaimSeconds, {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5});
  return histogram;
}

}  // namespace

std::optional<Hold> WarmPools::take(const templates::Template& tmpl) {
  const auto found = shelves_.find(tmpl.id);
  if (found == shelves_.end()) return std::nullopt;
  auto& ready = found->second.ready;
  // Those who queue for this template came first.
  if (queue_.holds(tmpl.id)) return std::nullopt;
  const bool may_start = queue_.at_once();
  const auto fits = [&](const LiveRef& live) {
    return live->free() && *live->instance.template_hash == tmpl.hash && (live->kept != Kept::kCreated || may_start);
  };
  const auto at = std::find_if(ready.begin(), ready.end(), fits);
  if (at == ready.end()) return std::nullopt;
  Hold hold(*at, Doing::kClaiming);
  ready.erase(at);
  last_claim_ = SteadyClock::now();
  found->second.note_claim(tmpl.pool, last_claim_);
  parts_.jobs.poke(kPools);
  return hold;
}

/// The row as it is for its new owner.
Instance WarmPools::claimed(const Live& live, const identity::Principal& who, std::string context) const {
  Instance next = live.instance;
  next.pool = PoolRole::kClaimed;
  next.owner = who.owner();
  next.owner_name = who.team ? who.team_name : who.name;
  next.user = who.user;
  next.team = who.team ? who.team->str() : "";
  next.follow(live.tmpl);
  next.context = std::move(context);
  next.credentials = draw_credentials(*live.tmpl);
  next.created_at = parts_.clock.now();
  next.timings.clear();
  for (auto& machine : next.plan.machines) {
    if (machine.state == MachineIs::kPaused) machine.state = MachineIs::kRunning;  // thawed right after the commit
  }
  return next;
}

asio::awaitable<Result<Instance>> WarmPools::claim(Hold hold, identity::Principal who, std::string context,
                                                   bus::Actor actor) {
  const auto begun = SteadyClock::now();
  const auto live = hold.live();
  const auto owner = who.owner();
  live->claimant = owner;
  instances_.one_more(owner);
  auto next = claimed(*live, who, std::move(context));
  auto placed = co_await planner_.give_ports(&next);
  if (placed) {
    next.state = live->kept == Kept::kCreated ? InstanceState::kStarting : InstanceState::kRunning;
    if (live->kept != Kept::kCreated) {
      next.started_at = next.created_at;
      next.expires_at = *next.started_at + first_lease(next.lease, next.context);
    }
    const bus::KindRef kind = live->kept == Kept::kCreated ? events::kAsked : events::kRunning;
    auto before = co_await failpoint("labs.claim.commit.before");
    placed = before ? co_await commit_claim(live, next, instances_.event_of(next, kind, actor)) : std::move(before);
  }
  if (!placed) {
    planner_.release_ports(next);
    put_back(std::move(hold));
    co_return fail(std::move(placed.error()));
  }
  co_await failpoint("labs.claim.commit.after");
  live->instance = std::move(next);
  live->claimant.reset();
  live->step_clock = begun;
  if (live->kept == Kept::kCreated) {
    live->kept = Kept::kRunning;
    live->work.move(Doing::kSpawning);
    queue_.take_place();
    instances_.announce(*live, events::kAsked, actor);
    instances_.start(std::move(hold), "spawn", queue_.spawn(live));
    co_return live->instance;
  }
  auto handed = co_await hand_over(live);
  if (!handed) {
    log::warn("labs", "a claim failed",
              {{"instance", live->instance.id.str()},
               {"reason", handed.error().reason},
               {"message", handed.error().message},
               {"cause", handed.error().cause}});
    live->instance.reason = Reason{handed.error().reason, handed.error().message};
    instances_.start(std::move(hold), "claim", saga_.unmake(live, InstanceState::kFailed));
    co_return live->instance;
  }
  const auto took = SteadyClock::now() - begun;
  claim_seconds().observe(std::chrono::duration<double>(took).count());
  live->instance.timings.emplace_back("claim", std::chrono::duration_cast<std::chrono::microseconds>(took));
  metrics::counter(measures::kLifecycle, {"claimed"}).add();
  parts_.jobs.poke(kIdle);
  instances_.announce(*live, events::kRunning, actor);
  instances_.start(std::move(hold), "settle a claim", settle(live));
  co_return live->instance;
}

/// The commit, and beside it what the steps can have ready by then.
asio::awaitable<Result<>> WarmPools::commit_claim(LiveRef live, Instance next, bus::Event event) {
  std::vector<asio::awaitable<Result<>>> works;
  const auto owner = next.owner;
  works.push_back(rows_.claim(std::move(next), std::move(event)));
  for (const auto& step : saga_.steps()) works.push_back(step->prepare_claim(live, owner));
  auto results = co_await all_of(std::move(works));
  // What could not be prepared fails again, and with better reason, in the step's own claim.
  co_return std::move(results.front());
}

/// Each step gives what it made to the owner in the row; those that wait for an owner do their part now.
asio::awaitable<Result<>> WarmPools::hand_over(LiveRef live) {
  if (live->kept == Kept::kFrozen) {
    auto thawed = co_await each_machine(engine_of(*live), live, &engine::Freezer::thaw);
    if (!thawed) co_return thawed;
  }
  for (const auto& step : saga_.steps()) {
    auto done = co_await failpoint("labs.claim." + step.name + ".before");
    if (done) done = step->in_pool() ? co_await step->claim(live) : co_await step->make(live);
    if (!done) co_return done;
    co_await failpoint("labs.claim." + step.name + ".after");
  }
  co_return Result<>{};
}

/// Behind the answer the engine learns that the machines run again, as after a wake. What the claim took, and a port
/// that had to be another one, come to the row with its next change: a crash before costs no more than finding a free
/// port again.
asio::awaitable<void> WarmPools::settle(LiveRef live) {
  if (live->kept != Kept::kFrozen) co_return;
  co_await quiet_moment(parts_.presence, live);
  live->kept = Kept::kRunning;
  auto resumed = co_await each_machine(engine_of(*live), live, &engine::Freezer::resume);
  if (resumed) co_return;
  log::warn(
      "labs", "the engine still takes a claimed instance for paused",
      {{"instance", live->instance.id.str()}, {"reason", resumed.error().reason}, {"cause", resumed.error().cause}});
}

/// A claim that came to nothing: as if it had never been taken. One that was hit meanwhile goes.
void WarmPools::put_back(Hold hold) {
  const auto live = hold.live();
  instances_.one_less(*live->claimant);
  live->claimant.reset();
  if (live->work.next() != Next::kNothing) {
    instances_.start(std::move(hold), "discard", saga_.unmake(live, InstanceState::kStopped));
    return;
  }
  shelves_[live->instance.tmpl].ready.push_front(live);
}

}  // namespace tiltyard::labs
