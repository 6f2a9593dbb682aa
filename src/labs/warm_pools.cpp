#include "labs/warm_pools.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <set>

#include "base/failpoint.h"
#include "engine/engine.h"
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "labs/machines.h"
#include "labs/measures.h"
#include "labs/reasons.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "templates/events.h"
#include "templates/templates.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A machine that is being made takes the processor from claims that follow each other.
constexpr milliseconds kQuietAfterClaim{250};

/// In the place of the owner in an instance's name. An engine's labels cannot be changed later, so it keeps the name.
std::string nobody_yet() { return random_hex(4); }

}  // namespace

std::size_t Shelf::wanted(const templates::PoolPolicy& policy, SteadyClock::time_point now) {
  while (!claims.empty() && now - claims.front() > policy.idle) claims.pop_front();
  const auto most = static_cast<std::size_t>(policy.max);
  return std::min(std::max(static_cast<std::size_t>(policy.min), claims.size()), most);
}

void Shelf::note_claim(const templates::PoolPolicy& policy, SteadyClock::time_point now) {
  claims.push_back(now);
  while (claims.size() > static_cast<std::size_t>(policy.max)) claims.pop_front();
}

WarmPools::WarmPools(Ground& ground, Instances& instances, Offers& offers, Planner& planner, Saga& saga,
                     StartQueue& queue)
    : OnGround(ground), instances_(instances), offers_(offers), planner_(planner), saga_(saga), queue_(queue) {}

void WarmPools::declare_jobs() {
  parts_.jobs.declare_poll(
      job_kind(kPools, "Fills and thins the warm pools.", std::chrono::minutes{1}, [this] { return look(); }),
      std::chrono::seconds{1});
}

asio::awaitable<Result<jobs::Next>> WarmPools::look() {
  tend();
  const bool calm = SteadyClock::now() - last_claim_ >= kQuietAfterClaim;
  co_return calm ? jobs::Next::done() : jobs::Next::again(kQuietAfterClaim);
}

/// Compares what waits with what should: puts away what is stale or too much, and starts what is missing.
void WarmPools::tend() {
  if (ground_.closing || !parts_.look_for_vetoes()) return;
  const auto now = SteadyClock::now();
  std::map<TemplateId, std::shared_ptr<const templates::Template>> pooled;
  // Whose images are looked for or made, or whose engine is away: what waits is left alone meanwhile.
  std::set<TemplateId> unsettled;
  for (const auto& entry : offers_.catalogue().list()) {
    const bool away = engine_for(*entry.tmpl).away().has_value();
    const bool later = entry.state == templates::State::kBuilding || entry.state == templates::State::kWaiting || away;
    if (later) unsettled.insert(entry.tmpl->id);
    if (entry.state != templates::State::kReady || away) continue;
    auto tmpl = offers_.overridden(entry.tmpl);
    if (!tmpl->active || tmpl->pool.max == 0) continue;
    auto& shelf = shelves_[tmpl->id];
    shelf.choice = options_.pool_choice ? options_.pool_choice(*tmpl) : PoolChoice{};
    shelf.target = shelf.choice.kind == PoolKind::kNone ? 0 : shelf.wanted(tmpl->pool, now);
    pooled.emplace(tmpl->id, std::move(tmpl));
  }
  for (auto at = shelves_.begin(); at != shelves_.end();) {
    if (unsettled.contains(at->first)) {
      ++at;
      continue;
    }
    const auto tmpl = pooled.find(at->first);
    if (at->second.told_ready == at->second.ready.empty()) {
      at->second.told_ready = !at->second.ready.empty();
      parts_.bus.publish(bus::Event{templates::events::kChanged, at->first.str(), "", "", parts_.clock.now(), "{}"});
    }
    thin_out(at->second, tmpl == pooled.end() ? nullptr : tmpl->second.get());
    const bool done = tmpl == pooled.end() && at->second.ready.empty() && at->second.filling == 0;
    at = done ? shelves_.erase(at) : std::next(at);
  }
  while (room_to_fill()) {
    const auto next = emptiest(pooled, now);
    if (!next) break;
    start_fill(next);
  }
}

/// Of what waits: all that is not of this very template any more, and one that is too old or too much.
void WarmPools::thin_out(Shelf& shelf, const templates::Template* tmpl) {
  std::vector<LiveRef> out;
  bool one_gone = false;
  for (const auto& live : shelf.ready) {
    const auto age = parts_.clock.now() - live->instance.created_at;
    const bool stale = !tmpl || *live->instance.template_hash != tmpl->hash || shelf.choice.kind == PoolKind::kNone;
    const bool spare = tmpl && (age > tmpl->pool.max_age || shelf.ready.size() - out.size() > shelf.target);
    if (!stale && (!spare || one_gone)) continue;
    one_gone = true;
    out.push_back(live);
  }
  for (const auto& live : out) discard(live);
}

/// Players come first: pools are filled only while nobody queues, not in the middle of a run on them, and leave a place
/// for whoever presses start next.
bool WarmPools::room_to_fill() const {
  if (options_.trial) return false;
  std::size_t filling = 0;
  bool one_empty = false;
  for (const auto& [id, shelf] : shelves_) {
    filling += shelf.filling;
    one_empty = one_empty || (shelf.target > 0 && shelf.ready.empty());
  }
  if (SteadyClock::now() - last_claim_ < kQuietAfterClaim && !one_empty) return false;
  return queue_.empty() && filling < options_.fills_at_once &&
         queue_.under_way() + 1 < std::max<std::size_t>(queue_.limit(), 2) &&
         instances_.size() < options_.instances_total;
}

/// The template whose shelf lacks the largest share.
std::shared_ptr<const templates::Template> WarmPools::emptiest(
    const std::map<TemplateId, std::shared_ptr<const templates::Template>>& pooled, SteadyClock::time_point now) const {
  std::shared_ptr<const templates::Template> best;
  double least = 1;
  // Also what is being made or looked at after a restart: all that may yet stand on the shelf.
  std::map<TemplateId, std::size_t> there;
  for (const auto& live : instances_) {
    if (engine_of(*live).away()) continue;  // nobody can be given that
    const bool waits = live->instance.pool == PoolRole::kWaiting && !live->ending() && !live->claimant;
    there[live->instance.tmpl] += waits ? 1 : 0;
  }
  for (const auto& [id, tmpl] : pooled) {
    const auto& shelf = shelves_.at(id);
    const auto have = there[id];
    if (have >= shelf.target || now < shelf.not_before) continue;
    const double share = static_cast<double>(have) / static_cast<double>(shelf.target);
    if (best && share >= least) continue;
    least = share;
    best = tmpl;
  }
  return best;
}

void WarmPools::start_fill(std::shared_ptr<const templates::Template> tmpl) {
  auto live = std::make_shared<Live>();
  live->tmpl = tmpl;
  live->step_clock = SteadyClock::now();
  Instance& instance = live->instance;
  instance.pool = PoolRole::kWaiting;
  instance.tmpl = tmpl->id;
  instance.id = InstanceId(fmt::format("{}-{}-{}", tmpl->id.str(), nobody_yet(), random_hex(4)));
  instance.follow(tmpl);
  instance.credentials = draw_credentials(*tmpl);
  instance.created_at = parts_.clock.now();
  instance.state = InstanceState::kPreparing;
  auto& shelf = shelves_[tmpl->id];
  if (shelf.choice.kind == PoolKind::kCreated) live->kept = Kept::kCreated;
  ++shelf.filling;
  queue_.take_place();
  instances_.add(live, false);
  instances_.start(Hold(live, Doing::kSpawning), "fill", fill(live));
}

/// From nothing to the shelf, or back to nothing. The row is on disk before anything is made, as for everybody.
asio::awaitable<void> WarmPools::fill(LiveRef live) {
  Instance& instance = live->instance;
  auto made = co_await planner_.plan(live);
  if (made) made = co_await rows_.insert(instance, {});
  const bool planned = made.has_value();
  queue_.begun(instance);
  if (made) made = co_await saga_.make_somewhere(live);
  if (made) made = co_await freeze(live);
  if (made && !live->ending()) {
    instance.state = InstanceState::kRunning;
    instance.timings = Timings();  // nobody's history; "= {}" would keep its room
    auto before = co_await failpoint("labs.fill.commit.before");
    made = before ? co_await rows_.update(instance, {}) : std::move(before);
    co_await failpoint("labs.fill.commit.after");
  }
  queue_.done(instance, made.has_value());
  auto& shelf = shelves_[instance.tmpl];
  --shelf.filling;
  if (made && !live->ending()) {
    shelf.ready.push_back(live);
    shelf.trouble.clear();
    shelf.delay.reset();
  } else {
    if (!made && !live->ending()) note_trouble(shelf, instance, made.error());
    if (planned) co_await saga_.unmake(live, InstanceState::kStopped);
    else {
      planner_.release(*live);
      instances_.forget(live);
    }
  }
  queue_.give_back_place();
  parts_.jobs.poke(kPools);
}

void WarmPools::note_trouble(Shelf& shelf, const Instance& instance, const Error& error) {
  shelf.not_before = SteadyClock::now() + shelf.delay.next();
  shelf.trouble = error.message;
  metrics::counter(measures::kPoolFailures, {error.reason}).add();
  gate_.spawn(parts_.home, "note a pool's trouble", note_event(events::kPoolFailed, instance, error));
  log::warn("labs", "a pool could not be filled",
            {{"template", instance.tmpl.str()},
             {"instance", instance.id.str()},
             {"reason", error.reason},
             {"message", error.message},
             {"cause", error.cause}});
}

asio::awaitable<void> WarmPools::note_event(bus::KindRef kind, Instance instance, Error error) {
  bus::Event event{kind, instance.tmpl.str(), "", "", parts_.clock.now(), {}};
  event.detail = boost::json::serialize(
      boost::json::object{{"instance", instance.id.str()}, {"reason", error.reason}, {"message", error.message}});
  co_await rows_.note(std::move(event));
}

asio::awaitable<Result<>> WarmPools::freeze(LiveRef live) {
  if (!live->tmpl || !live->tmpl->pool.pause || live->kept == Kept::kCreated || !engine_of(*live).freezer())
    co_return Result<>{};
  auto frozen = co_await each_machine(engine_of(*live), live, &engine::Freezer::pause);
  if (!frozen) co_return frozen;
  live->kept = Kept::kFrozen;
  for (auto& machine : live->instance.plan.machines) {
    if (machine.state == MachineIs::kRunning) machine.state = MachineIs::kPaused;
  }
  co_return frozen;
}

/// Takes it off the shelf and away. Whoever has claimed it already keeps it.
void WarmPools::discard(const LiveRef& live) {
  if (!live->free()) return;
  std::erase(shelves_[live->instance.tmpl].ready, live);
  instances_.start(Hold(live, Doing::kStopping), "discard", saga_.unmake(live, InstanceState::kStopped));
}

void WarmPools::discard_all(const TemplateId& tmpl) {
  const auto shelf = shelves_.find(tmpl);
  if (shelf == shelves_.end()) return;
  const auto waiting = shelf->second.ready;
  for (const auto& live : waiting) discard(live);
}

asio::awaitable<void> WarmPools::shelve_again(LiveRef live) {
  auto& ready = shelves_[live->instance.tmpl].ready;
  std::erase(ready, live);
  auto well = Result<>{};
  if (!live->tmpl) well = fail(Code::kConflict, reason::kTemplateChanged, "The template has changed.");
  if (well && options_.pool_choice && options_.pool_choice(*live->tmpl).kind == PoolKind::kCreated) {
    live->kept = Kept::kCreated;
  }
  for (const auto& step : saga_.steps()) {
    if (well && step->in_pool()) well = co_await step->check(live);
  }
  if (well) well = co_await freeze(live);
  if (!well && engine_of(*live).away()) {
    shelves_[live->instance.tmpl].ready.push_back(live);  // looked at again when it is back; nobody claims meanwhile
    co_return;
  }
  if (well && !live->ending()) {
    shelves_[live->instance.tmpl].ready.push_back(live);
    co_return;
  }
  co_await saga_.unmake(live, InstanceState::kStopped);
}

std::vector<PoolState> WarmPools::states() const {
  std::vector<PoolState> out;
  for (const auto& [id, shelf] : shelves_) {
    PoolState state{id, shelf.choice.kind, shelf.ready.size(), shelf.filling, shelf.target, 0, 0, {}};
    if (const auto entry = offers_.catalogue().find(id)) {
      const auto tmpl = offers_.overridden(entry->tmpl);
      state.min = tmpl->pool.min;
      state.max = tmpl->pool.max;
    }
    state.reason = !shelf.choice.reason.empty() ? shelf.choice.reason : shelf.trouble;
    out.push_back(std::move(state));
  }
  return out;
}

}  // namespace tiltyard::labs
