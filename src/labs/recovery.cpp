// After a crash, after the engine came back, and every ten minutes: rows and engine are laid side by side (row 1.13).
#include <fmt/format.h>

#include <array>
#include <unordered_set>

#include "base/failpoint.h"
#include "labs/machine_spec.h"
#include "labs/service.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::labs {
namespace {

constexpr int kRepairsAtMost = 3;
constexpr std::chrono::minutes kRepairsForgottenAfter{10};
/// Between the tries to mend one instance.
constexpr std::array<std::chrono::milliseconds, 5> kMendPauses{std::chrono::milliseconds{500}, std::chrono::seconds{1},
                                                               std::chrono::seconds{2}, std::chrono::seconds{4},
                                                               std::chrono::seconds{8}};

/// Whether no further try can bring the instance back.
bool gone_for_good(const Error& error) {
  return error.reason == "machine-missing" || error.reason == "template-changed";
}

}  // namespace

/// Takes up every row that is not final; nothing is asked of the engine yet.
asio::awaitable<Result<>> Service::load() {
  auto overrides = co_await rows_.overrides();
  if (!overrides) co_return fail(std::move(overrides.error()));
  overrides_ = std::move(*overrides);
  auto usual = co_await rows_.usual_starts();
  if (!usual) co_return fail(std::move(usual.error()));
  usual_ = std::move(*usual);
  auto pace = co_await rows_.pace();
  if (!pace) co_return fail(std::move(pace.error()));
  pace_.restore(*pace);
  saved_pace_ = std::move(*pace);
  auto rows = co_await rows_.live();
  if (!rows) co_return fail(std::move(rows.error()));
  for (auto& row : *rows) {
    auto live = std::make_shared<Live>();
    live->instance = std::move(row);
    live->step_clock = std::chrono::steady_clock::now();
    // A reason on a row that is not on its way back yet: somebody asked for the stop while a saga was under way.
    live->stop_requested = live->instance.reason.has_value();
    if (const auto entry = parts_.catalogue.find(live->instance.tmpl)) {
      if (entry->tmpl->hash == *live->instance.template_hash) live->tmpl = overridden(entry->tmpl);
    }
    addresses_->restore(live->instance.plan);
    for (const auto& endpoint : live->instance.plan.endpoints) {
      if (endpoint.port != 0) parts_.lanes.restore(endpoint.port);
    }
    if (live->instance.pool != PoolRole::kWaiting) ++by_owner_[live->instance.owner];
    if (live->instance.state == InstanceState::kQueued) queue_.push_back(live);
    live_.insert(std::move(live));
  }
  if (!live_.empty()) log::info("labs", "instances taken up again", {{"count", live_.size()}});
  co_return Result<>{};
}

/// Every row goes on where it stood, and what has no row goes away. Runs at start and whenever the engine has come
/// back.
asio::awaitable<void> Service::reattach_all() {
  auto claimed = co_await ownership_.claim();
  if (!claimed) {
    log::error(
        "labs", "the namespace is not ours; nothing is attached to",
        {{"reason", claimed.error().reason}, {"message", claimed.error().message}, {"cause", claimed.error().cause}});
    co_return;
  }
  co_await look_at_ranges();
  auto isolated = co_await parts_.engine.ensure_isolation();
  if (!isolated) {
    log::error("labs", "isolation is not in force; nothing starts until it is",
               {{"reason", isolated.error().reason},
                {"message", isolated.error().message},
                {"cause", isolated.error().cause}});
  }
  for (const auto& live : all_live()) {
    if (live->busy || live->instance.state == InstanceState::kQueued) continue;
    begin(live, "reattach", reattach(live));
  }
  pump();
  auto swept = co_await sweep(std::chrono::seconds{0});
  if (!swept)
    log::warn("labs", "the first sweep failed", {{"reason", swept.error().reason}, {"cause", swept.error().cause}});
}

asio::awaitable<void> Service::reattach(LiveRef live) {
  Instance& instance = live->instance;
  if (instance.pool == PoolRole::kWaiting) {
    if (instance.state == InstanceState::kRunning) {
      co_await shelve_again(live);
      co_return;
    }
    // Half made for nobody: another one is sooner made than this one mended.
    live->stop_requested = true;
    co_await unmake(live, InstanceState::kStopped);
    co_return;
  }
  switch (instance.state) {
    case InstanceState::kPreparing:
    case InstanceState::kStarting:
      instance.timings.clear();
      ++spawning_;
      if (live->tmpl) {
        co_await spawn(live);
        co_return;
      }
      instance.reason =
          Reason{"template-changed", "The template changed while the instance was starting; start it again."};
      co_await unmake(live, InstanceState::kFailed);
      spawn_ended();
      co_return;
    case InstanceState::kRunning:
    case InstanceState::kPaused:
      co_await mend(live);
      co_return;
    case InstanceState::kStopping:
      live->stop_requested = true;
      co_await unmake(live, instance.reason && instance.reason->code != "user" && instance.reason->code != "admin" &&
                                    instance.reason->code != "expiry" && instance.reason->code != "abuse"
                                ? InstanceState::kFailed
                                : InstanceState::kStopped);
      co_return;
    default:
      co_return;
  }
}

/// A running instance after a restart of ours or of the engine: all is well, or its machines are started again with
/// their file systems as they were, or something is gone for good. An engine that is stopping, or has just begun,
/// refuses in many words before it is away: what it refuses is asked of it again for a while before an instance is
/// given up.
asio::awaitable<void> Service::mend(LiveRef live) {
  auto mended = co_await mend_once(live);
  for (const auto pause : kMendPauses) {
    if (mended || gone_for_good(mended.error())) break;
    if (parts_.engine.away()) co_return;  // all is looked at again when it is back
    const auto until = std::chrono::steady_clock::now() + pause;
    for (auto now = until - pause; now < until && !live->stop_requested; now = std::chrono::steady_clock::now()) {
      co_await live->changed.wait_for(until - now);
    }
    if (live->stop_requested) co_return;
    mended = co_await mend_once(live);
  }
  if (mended) {
    co_await settle_sleep(live);
    announce(*live, live->instance.state == InstanceState::kPaused ? events::kPaused : events::kRunning, "");
  } else if (gone_for_good(mended.error()) || !parts_.engine.away()) {
    co_await lose(live, mended.error().message);
  }
}

asio::awaitable<Result<>> Service::mend_once(LiveRef live) {
  auto well = Result<>{};
  for (const auto& step : steps_) {
    auto checked = co_await step->check(live);
    if (!checked && well) well = std::move(checked);
  }
  if (!well && (gone_for_good(well.error()) || parts_.engine.away())) co_return well;
  if (well && live->instance.pool == PoolRole::kClaimed) {
    well = co_await hand_over_again(live);
    if (!well && gone_for_good(well.error())) co_return well;
  }
  for (const auto& step : steps_) {
    // A machine that stands still is started again; one that is well only needs its route. Each make finds what is
    // there.
    if (well && step->name() != "routes") continue;
    auto made = co_await step->make(live);
    if (!made) co_return made;
  }
  if (!well)
    log::info("labs", "an instance was mended", {{"instance", live->instance.id.str()}, {"why", well.error().message}});
  co_return Result<>{};
}

/// A claim may have been cut between its commit and the last step: all of it is done once more.
asio::awaitable<Result<>> Service::hand_over_again(LiveRef live) {
  for (const auto& step : steps_) {
    if (!step->in_pool()) continue;
    auto done = co_await step->claim(live);
    if (!done) co_return done;
  }
  co_return Result<>{};
}

asio::awaitable<void> Service::lose(LiveRef live, std::string why) {
  log::warn("labs", "an instance was lost", {{"instance", live->instance.id.str()}, {"why", why}});
  metrics::counter("tiltyard_lifecycle_total", "Spawns, stops and failures", {{"what", "lost"}}).add();
  live->stop_requested = true;
  if (!live->instance.reason) {
    live->instance.reason = Reason{"engine-loss", why + " The rest of the instance was removed; start it again."};
  }
  co_await unmake(live, InstanceState::kFailed);
}

void Service::on_engine_event(const engine::EngineEvent& event) {
  using enum engine::Happening;
  engine_changed_.pulse();
  if (event.what == kReconnected) {
    gate_.spawn(parts_.home, "reattach", reattach_all());
    return;
  }
  const bool gone = event.what == kDied || event.what == kDestroyed;
  if (!gone && event.what != kResumed) return;
  const auto label = event.labels.find(engine::kLabelInstance);
  const auto held = label == event.labels.end() ? nullptr : live(InstanceId(label->second));
  if (!held || held->stop_requested) return;
  if (!gone) {
    // Mostly our own doing. Where it is not, somebody has woken the instance behind our back.
    if (held->instance.state == InstanceState::kPaused && !held->busy) begin(held, "look after an unpause", mend(held));
    return;
  }
  if (held->busy) {
    held->look_again = true;
    return;
  }
  if (held->instance.state != InstanceState::kRunning && held->instance.state != InstanceState::kPaused) return;
  // It may be one that had done its work.
  if (held->instance.pool == PoolRole::kWaiting) return begin(held, "look at what waits", shelve_again(held));
  const auto now = std::chrono::steady_clock::now();
  if (now - held->last_repair > kRepairsForgottenAfter) held->repairs = 0;
  held->last_repair = now;
  if (++held->repairs > kRepairsAtMost) {
    begin(held, "lose",
          lose(held, fmt::format("A machine ended {} times within {} minutes.", held->repairs,
                                 kRepairsForgottenAfter.count())));
    return;
  }
  begin(held, "mend", mend(held));
}

asio::awaitable<Result<std::size_t>> Service::sweep(std::chrono::seconds window) {
  auto found = co_await ownership_.ours();
  if (!found) co_return fail(std::move(found.error()));
  const auto now = parts_.clock.now();
  std::vector<engine::Resource> orphans;
  for (auto& resource : *found) {
    if (resource.labels.contains(kLabelShared)) continue;
    const auto label = resource.labels.find(engine::kLabelInstance);
    if (label == resource.labels.end() || live(InstanceId(label->second))) continue;
    if (now - resource.created_at < window) continue;
    log::warn("labs", "an orphan is removed", {{"name", resource.name}, {"instance", label->second}});
    orphans.push_back(std::move(resource));
  }
  const auto removed = co_await remove_all(parts_.engine, std::move(orphans));
  if (removed > 0) {
    metrics::counter("tiltyard_orphans_removed_total", "Resources without a row that a sweep removed")
        .add(static_cast<double>(removed));
  }
  co_return removed;
}

/// What others use of our addresses, so that no spawn has to find out. Read when the engine is met and when it says
/// that an address is taken.
asio::awaitable<void> Service::look_at_ranges() {
  auto ranges = co_await parts_.engine.used_ranges();
  if (!ranges) {
    log::warn("labs", "what others use of network.pool is not known", {{"cause", ranges.error().cause}});
    co_return;
  }
  for (const auto& range : *ranges) {
    const auto overlap = addresses_->overlap(range.subnet);
    if (overlap == AddressPlan::Overlap::kNone || is_own_network(range)) continue;
    const bool spans = overlap == AddressPlan::Overlap::kWhole && range.route;
    log::warn("labs",
              spans ? "a route of this host spans network.pool; machines get addresses that it would lead elsewhere"
                    : "a part of network.pool is in use by others; it is left out",
              {{"range", range.subnet}, {"by", range.holder}});
    // A route to a whole company's network is no claim on each address in it, and our bridges' routes are narrower.
    if (!spans) addresses_->avoid(range.subnet);
  }
}

bool Service::is_own_network(const engine::UsedRange& range) const {
  if (range.route) return false;
  const auto server = range.labels.find(engine::kLabelServer);
  if (server != range.labels.end()) return server->second == options_.claimant.server;
  const auto instance = range.labels.find(engine::kLabelInstance);
  return addresses_->names(range.holder) || (instance != range.labels.end() && live(InstanceId(instance->second)));
}

asio::awaitable<void> Service::leave() {
  // One that was refused has read no rows, and may be a copy of the server whose networks these are.
  if (!live_.empty() || parts_.engine.away() || !ownership_.holds()) co_return;
  auto found = co_await parts_.engine.list();
  if (!found) co_return;
  std::vector<engine::Resource> shared;
  for (auto& resource : *found) {
    if (resource.kind != engine::ResourceKind::kNetwork || !resource.labels.contains(kLabelShared)) continue;
    const auto server = resource.labels.find(engine::kLabelServer);
    const bool ours =
        server == resource.labels.end() ? addresses_->names(resource.name) : server->second == options_.claimant.server;
    if (ours) shared.push_back(std::move(resource));
  }
  const auto wanted = shared.size();
  const auto removed = co_await remove_all(parts_.engine, std::move(shared));
  if (removed != wanted) log::warn("labs", "shared networks stay", {{"networks", wanted - removed}});
  auto released = co_await ownership_.release();
  if (!released) log::warn("labs", "the claim on the namespace stays", {{"cause", released.error().cause}});
}

}  // namespace tiltyard::labs
