// A waiting instance becomes somebody's: one commit, then each step hands over what it made (row 1.14).
#include <fmt/format.h>

#include <algorithm>

#include "base/failpoint.h"
#include "labs/lease.h"
#include "labs/service.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;

const metrics::Histogram& claim_seconds() {
  static const auto histogram =
      metrics::histogram("tiltyard_claim_seconds", "From admission to a claimed instance that runs",
                         {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5});
  return histogram;
}

}  // namespace

/// The oldest that waits for an owner of this very template; null: none. It is the caller's from here on.
LiveRef Service::take(const templates::Template& tmpl) {
  const auto found = shelves_.find(tmpl.id);
  if (found == shelves_.end()) return nullptr;
  auto& ready = found->second.ready;
  // Those who queue for this template came first.
  const auto queues = [&tmpl](const LiveRef& live) { return live->instance.tmpl == tmpl.id; };
  if (std::any_of(queue_.begin(), queue_.end(), queues)) return nullptr;
  const bool may_start = queue_.empty() && room();
  const auto fits = [&](const LiveRef& live) {
    return !live->busy && !live->stop_requested && *live->instance.template_hash == tmpl.hash &&
           (!live->created_only || may_start);
  };
  const auto at = std::find_if(ready.begin(), ready.end(), fits);
  if (at == ready.end()) return nullptr;
  LiveRef live = *at;
  ready.erase(at);
  live->busy = true;
  last_claim_ = SteadyClock::now();
  found->second.note_claim(tmpl.pool, last_claim_);
  parts_.jobs.poke(kPools);
  return live;
}

/// The row as it is for its new owner.
Instance Service::claimed(const Live& live, const identity::Principal& who, std::string context) const {
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
  return next;
}

/// Hands `live`, just taken from its shelf, to `who`. What fails before the commit puts it back; after the commit the
/// instance is the owner's, and a crash is made good by the same `claim` of each step at the next start.
asio::awaitable<Result<Instance>> Service::claim(LiveRef live, identity::Principal who, std::string context,
                                                 bus::Actor actor) {
  const auto begun = SteadyClock::now();
  const auto owner = who.owner();
  live->claimant = owner;
  ++by_owner_[owner];
  auto next = claimed(*live, who, std::move(context));
  auto placed = co_await give_ports(&next);
  if (placed) {
    next.state = live->created_only ? InstanceState::kStarting : InstanceState::kRunning;
    if (!live->created_only) {
      next.started_at = next.created_at;
      next.expires_at = *next.started_at + first_lease(next.lease, next.context);
    }
    const bus::KindRef kind = live->created_only ? events::kAsked : events::kRunning;
    auto before = co_await failpoint("labs.claim.commit.before");
    placed = before ? co_await commit_claim(live, next, event_of(next, kind, actor)) : std::move(before);
  }
  if (!placed) {
    release_ports(next);
    put_back(live);
    co_return fail(std::move(placed.error()));
  }
  co_await failpoint("labs.claim.commit.after");
  live->instance = std::move(next);
  live->claimant.reset();
  live->step_clock = begun;
  if (live->created_only) {
    live->created_only = false;
    ++spawning_;
    announce(*live, events::kAsked, actor);
    begin(live, "spawn", spawn(live));
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
    begin(live, "claim", unmake(live, InstanceState::kFailed));
    co_return live->instance;
  }
  const auto took = SteadyClock::now() - begun;
  claim_seconds().observe(std::chrono::duration<double>(took).count());
  live->instance.timings.emplace_back("claim", std::chrono::duration_cast<std::chrono::microseconds>(took));
  metrics::counter("tiltyard_lifecycle_total", "Spawns, stops and failures", {{"what", "claimed"}}).add();
  parts_.jobs.poke(kIdle);
  announce(*live, events::kRunning, actor);
  begin(live, "settle a claim", settle_claim(live));
  co_return live->instance;
}

/// The commit, and beside it what the steps can have ready by then.
asio::awaitable<Result<>> Service::commit_claim(LiveRef live, Instance next, bus::Event event) {
  std::vector<asio::awaitable<Result<>>> works;
  const auto owner = next.owner;
  works.push_back(rows_.claim(std::move(next), std::move(event)));
  for (const auto& step : steps_) works.push_back(step->prepare_claim(live, owner));
  auto results = co_await all_of(std::move(works));
  // What could not be prepared fails again, and with better reason, in the step's own claim.
  co_return std::move(results.front());
}

/// Each step gives what it made to the owner in the row; those that wait for an owner do their part now.
asio::awaitable<Result<>> Service::hand_over(LiveRef live) {
  if (live->frozen) {
    auto thawed = co_await each_machine(live, &engine::Engine::thaw, std::make_shared<bool>(false));
    if (!thawed) co_return thawed;
  }
  for (const auto& step : steps_) {
    auto done = co_await failpoint("labs.claim." + step->name() + ".before");
    if (done) done = step->in_pool() ? co_await step->claim(live) : co_await step->make(live);
    if (!done) co_return done;
    co_await failpoint("labs.claim." + step->name() + ".after");
  }
  co_return Result<>{};
}

/// Behind the answer the engine learns that the machines run again, as after a wake. What the claim took, and a port
/// that had to be another one, come to the row with its next change: a crash before costs no more than finding a free
/// port again.
asio::awaitable<void> Service::settle_claim(LiveRef live) {
  if (!std::exchange(live->frozen, false)) co_return;
  co_await quiet_moment(live);
  auto resumed = co_await each_machine(live, &engine::Engine::resume, std::make_shared<bool>(false));
  if (resumed) co_return;
  log::warn(
      "labs", "the engine still takes a claimed instance for paused",
      {{"instance", live->instance.id.str()}, {"reason", resumed.error().reason}, {"cause", resumed.error().cause}});
}

/// A claim that came to nothing: as if it had never been taken.
void Service::put_back(const LiveRef& live) {
  one_less(*live->claimant);
  live->claimant.reset();
  live->busy = false;
  shelves_[live->instance.tmpl].ready.push_front(live);
  // A machine that ended meanwhile was not looked at.
  if (std::exchange(live->look_again, false) || live->stop_requested) discard(live);
}

}  // namespace tiltyard::labs
