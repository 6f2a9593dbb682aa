// Warm pools: instances that run before anybody asks (row 1.14). How they are handed over is in claim.cpp.
#include "labs/pool.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <set>

#include "base/failpoint.h"
#include "labs/service.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "templates/events.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A machine that is being made takes the processor from claims that follow each other.
constexpr milliseconds kQuietAfterClaim{250};
constexpr milliseconds kFirstDelay{500};
constexpr milliseconds kLongestDelay{60'000};

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

asio::awaitable<Result<jobs::Next>> Service::look_at_pools() {
  tend_pools();
  const bool calm = SteadyClock::now() - last_claim_ >= kQuietAfterClaim;
  co_return calm ? jobs::Next::done() : jobs::Next::again(kQuietAfterClaim);
}

/// Compares what waits with what should: puts away what is stale or too much, and starts what is missing.
void Service::tend_pools() {
  if (closing_ || parts_.engine.away()) return;
  const auto now = SteadyClock::now();
  std::map<TemplateId, std::shared_ptr<const templates::Template>> pooled;
  std::set<TemplateId> unsettled;  // whose images are looked for or made: what waits is left alone meanwhile
  for (const auto& entry : parts_.catalogue.list()) {
    const bool later = entry.state == templates::State::kBuilding || entry.state == templates::State::kWaiting;
    if (later) unsettled.insert(entry.tmpl->id);
    if (entry.state != templates::State::kReady) continue;
    auto tmpl = overridden(entry.tmpl);
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
void Service::thin_out(Shelf& shelf, const templates::Template* tmpl) {
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
bool Service::room_to_fill() const {
  std::size_t filling = 0;
  bool one_empty = false;
  for (const auto& [id, shelf] : shelves_) {
    filling += shelf.filling;
    one_empty = one_empty || (shelf.target > 0 && shelf.ready.empty());
  }
  if (SteadyClock::now() - last_claim_ < kQuietAfterClaim && !one_empty) return false;
  return queue_.empty() && filling < options_.fills_at_once &&
         spawning_ + 1 < std::max<std::size_t>(pace_.limit(), 2) && live_.size() < options_.instances_total;
}

/// The template whose shelf lacks the largest share.
std::shared_ptr<const templates::Template> Service::emptiest(
    const std::map<TemplateId, std::shared_ptr<const templates::Template>>& pooled, SteadyClock::time_point now) const {
  std::shared_ptr<const templates::Template> best;
  double least = 1;
  // Also what is being made or looked at after a restart: all that may yet stand on the shelf.
  std::map<TemplateId, std::size_t> there;
  for (const auto& live : live_) {
    const bool waits = live->instance.pool == PoolRole::kWaiting && !live->stop_requested && !live->claimant;
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

void Service::start_fill(std::shared_ptr<const templates::Template> tmpl) {
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
  live->created_only = shelf.choice.kind == PoolKind::kCreated;
  ++shelf.filling;
  ++spawning_;
  live_.insert(live);
  begin(live, "fill", fill(live));
}

/// From nothing to the shelf, or back to nothing. The row is on disk before anything is made, as for everybody.
asio::awaitable<void> Service::fill(LiveRef live) {
  Instance& instance = live->instance;
  auto made = co_await plan(live);
  if (made) made = co_await rows_.insert(instance, {});
  const bool planned = made.has_value();
  spawn_begun(instance);
  if (made) made = co_await make_somewhere(live);
  if (made) made = co_await freeze(live);
  if (made && !live->stop_requested) {
    instance.state = InstanceState::kRunning;
    instance.timings = Timings();  // nobody's history; "= {}" would keep its room
    auto before = co_await failpoint("labs.fill.commit.before");
    made = before ? co_await rows_.update(instance, {}) : std::move(before);
    co_await failpoint("labs.fill.commit.after");
  }
  spawn_done(instance, made.has_value());
  auto& shelf = shelves_[instance.tmpl];
  --shelf.filling;
  if (made && !live->stop_requested) {
    shelf.ready.push_back(live);
    shelf.trouble.clear();
    shelf.delay = milliseconds{0};
  } else {
    if (!made && !live->stop_requested) note_trouble(shelf, instance, made.error());
    if (planned) co_await unmake(live, InstanceState::kStopped);
    else {
      release(*live);
      forget(live);
    }
  }
  spawn_ended();
  parts_.jobs.poke(kPools);
}

void Service::note_trouble(Shelf& shelf, const Instance& instance, const Error& error) {
  shelf.delay = std::clamp(shelf.delay * 2, kFirstDelay, kLongestDelay);
  shelf.not_before = SteadyClock::now() + shelf.delay;
  shelf.trouble = error.message;
  metrics::counter("tiltyard_pool_failures_total", "Instances that could not be made for a pool",
                   {{"reason", error.reason}})
      .add();
  gate_.spawn(parts_.home, "note a pool's trouble", note_event(events::kPoolFailed, instance, error));
  log::warn("labs", "a pool could not be filled",
            {{"template", instance.tmpl.str()},
             {"instance", instance.id.str()},
             {"reason", error.reason},
             {"message", error.message},
             {"cause", error.cause}});
}

asio::awaitable<void> Service::note_event(bus::KindRef kind, Instance instance, Error error) {
  bus::Event event{kind, instance.tmpl.str(), "", "", parts_.clock.now(), {}};
  event.detail = boost::json::serialize(
      boost::json::object{{"instance", instance.id.str()}, {"reason", error.reason}, {"message", error.message}});
  co_await rows_.note(std::move(event));
}

asio::awaitable<Result<>> Service::freeze(LiveRef live) {
  if (!live->tmpl || !live->tmpl->pool.pause || live->created_only) co_return Result<>{};
  auto frozen = co_await each_machine(live, &engine::Engine::pause, std::make_shared<bool>(false));
  live->frozen = frozen.has_value();
  co_return frozen;
}

/// Takes it off the shelf and away. Whoever has claimed it already keeps it.
void Service::discard(const LiveRef& live) {
  if (live->busy || live->stop_requested) return;
  std::erase(shelves_[live->instance.tmpl].ready, live);
  live->stop_requested = true;
  begin(live, "discard", unmake(live, InstanceState::kStopped));
}

/// After a restart, or when the engine is back: what waited waits on if it is well.
asio::awaitable<void> Service::shelve_again(LiveRef live) {
  auto& ready = shelves_[live->instance.tmpl].ready;
  std::erase(ready, live);
  auto well = Result<>{};
  if (!live->tmpl) well = fail(Code::kConflict, "template-changed", "The template has changed.");
  if (well && options_.pool_choice) live->created_only = options_.pool_choice(*live->tmpl).kind == PoolKind::kCreated;
  for (const auto& step : steps_) {
    if (!well || !step->in_pool()) break;
    well = co_await step->check(live);
  }
  if (well) well = co_await freeze(live);
  if (!well && parts_.engine.away()) {
    shelves_[live->instance.tmpl].ready.push_back(live);  // looked at again when it is back; nobody claims meanwhile
    co_return;
  }
  if (well && !live->stop_requested) {
    shelves_[live->instance.tmpl].ready.push_back(live);
    co_return;
  }
  live->stop_requested = true;
  co_await unmake(live, InstanceState::kStopped);
}

std::vector<PoolState> Service::pools() const {
  std::vector<PoolState> out;
  for (const auto& [id, shelf] : shelves_) {
    PoolState state{id, shelf.choice.kind, shelf.ready.size(), shelf.filling, shelf.target, 0, 0, {}};
    if (const auto entry = parts_.catalogue.find(id)) {
      const auto tmpl = overridden(entry->tmpl);
      state.min = tmpl->pool.min;
      state.max = tmpl->pool.max;
    }
    state.reason = !shelf.choice.reason.empty() ? shelf.choice.reason : shelf.trouble;
    out.push_back(std::move(state));
  }
  return out;
}

}  // namespace tiltyard::labs
