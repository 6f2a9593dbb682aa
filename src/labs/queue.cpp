// Those who wait for a place: who is next, when it will be, and how well that was told (row 1.7).
#include <algorithm>
#include <cmath>

#include "labs/service.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::labs {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// An instance's place is told to its owner at most this often; with many who wait, less often, so that the work for
/// all of them together stays bounded.
constexpr milliseconds kNewsEvery{250};
constexpr milliseconds kNewsPerHead{2};
/// When nobody moves the estimates are told again all the same after this many turns, because a spawn may be late.
constexpr int kQuietTurns = 8;
constexpr milliseconds kPlacesHold{100};
constexpr std::chrono::seconds kSaveEvery{2};
/// Smaller changes of what was learned are not worth a write.
constexpr double kWorthSaving = 0.02;
constexpr char kEstimate[] = "queue_estimate";

/// How far the first estimate was from the truth, as a part of the truth.
void observe_estimate(const Instance& instance, microseconds actual) {
  const auto estimate = std::find_if(instance.timings.begin(), instance.timings.end(),
                                     [](const auto& part) { return part.first == kEstimate; });
  if (estimate == instance.timings.end() || actual <= microseconds{0}) return;
  static const auto histogram =
      metrics::histogram("tiltyard_queue_estimate_error_ratio",
                         "How far the first estimate of who waited was from the truth, as a part of the truth",
                         {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2, 5});
  static const auto bias =
      metrics::gauge("tiltyard_queue_estimate_bias_ratio",
                     "Decaying mean of the error of queue estimates, with its sign: above 0, they are too long");
  static double mean = 0;
  const double error = static_cast<double>((estimate->second - actual).count()) / static_cast<double>(actual.count());
  histogram.observe(std::abs(error));
  mean += 0.1 * (std::clamp(error, -5.0, 5.0) - mean);
  bias.set(mean);
}

}  // namespace

/// Starts those at the head of the queue as long as there is room for more spawns.
void Service::pump() {
  static const auto limit =
      metrics::gauge("tiltyard_spawn_limit", "Spawns at once, as learned, up to labs.spawns_at_once");
  limit.set(static_cast<double>(pace_.limit()));
  while (!closing_ && !queue_.empty() && room() && !parts_.engine.away()) {
    auto live = queue_.front();
    queue_.pop_front();
    ++spawning_;
    begin(live, "leave-queue", leave_queue(live));
    queue_moved_ = true;
  }
  places_at_ = {};
  if (queue_.empty() || queue_told_) return;
  queue_told_ = true;
  parts_.jobs.poke(kQueueNews);
}

/// Everybody behind has moved up: they are told, but not at each single move.
asio::awaitable<Result<jobs::Next>> Service::tell_queue() {
  queue_told_ = !queue_.empty();
  const bool moved = std::exchange(queue_moved_, false);
  if (moved || ++quiet_turns_ >= kQuietTurns) {
    quiet_turns_ = 0;
    const std::vector<LiveRef> waiting(queue_.begin(), queue_.end());
    for (const auto& live : waiting) announce(*live, events::kQueued, "");
  }
  if (!queue_told_) co_return jobs::Next::done();
  co_return jobs::Next::again(std::max(kNewsEvery, kNewsPerHead * static_cast<int>(queue_.size())));
}

asio::awaitable<void> Service::leave_queue(LiveRef live) {
  Instance& instance = live->instance;
  auto tmpl = startable(instance.tmpl);
  Result<> placed = tmpl ? Result<>{} : Result<>(fail(std::move(tmpl.error())));
  if (placed && !live->stop_requested) {
    live->tmpl = *tmpl;
    instance.template_hash = {*tmpl, (*tmpl)->hash};
    instance.timings.emplace_back("queued", parts_.clock.now() - instance.created_at);
    instance.state = InstanceState::kPreparing;
    live->step_clock = SteadyClock::now();
    placed = co_await plan(live);
  }
  if (placed && !live->stop_requested) placed = co_await save(live, events::kPreparing, "");
  if (placed && !live->stop_requested) {
    co_await spawn(live);
    co_return;
  }
  if (!placed && !instance.reason) instance.reason = Reason{placed.error().reason, placed.error().message};
  co_await unmake(live, live->stop_requested ? InstanceState::kStopped : InstanceState::kFailed);
  spawn_ended();
}

/// All places at once: with hundreds of people who wait and look, one walk over the queue serves them all.
void Service::count_places() const {
  std::vector<TemplateId> waiting;
  waiting.reserve(queue_.size());
  for (const auto& live : queue_) waiting.push_back(live->instance.tmpl);
  places_at_ = SteadyClock::now();
  const auto etas = pace_.forecast(waiting, spawning_, places_at_);
  places_.clear();
  for (std::size_t n = 0; n < queue_.size(); ++n) places_[queue_[n]->instance.id] = {n + 1, etas[n]};
}

std::optional<Service::QueuePlace> Service::queue_place(const InstanceId& id) const {
  if (SteadyClock::now() - places_at_ > kPlacesHold) count_places();
  const auto found = places_.find(id);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

/// The first estimate is kept beside what really happened, and shown with it.
void Service::note_estimate(Live& live) {
  if (live.tmpl) pace_.expect(live.instance.tmpl, usual_start(live.instance.tmpl).value_or(live.tmpl->expected_boot));
  places_at_ = {};
  if (const auto place = queue_place(live.instance.id)) live.instance.timings.emplace_back(kEstimate, place->eta);
}

Service::SpawnLoad Service::spawn_load() const {
  return {pace_.limit(), options_.spawns_at_once, spawning_, queue_.size(), pace_.per_second()};
}

std::optional<microseconds> Service::usual_start(const TemplateId& tmpl) const {
  const auto found = usual_.find(tmpl);
  return found == usual_.end() ? std::nullopt : std::optional(found->second);
}

void Service::spawn_begun(const Instance& instance) { pace_.begin(instance.id, instance.tmpl, SteadyClock::now()); }

void Service::spawn_done(const Instance& instance, bool success) {
  pace_.end(instance.id, success, SteadyClock::now());
  if (!success) return;
  if (instance.started_at) observe_estimate(instance, *instance.started_at - instance.created_at);
  if (std::exchange(pace_saving_, true)) return;
  gate_.spawn(parts_.home, "save the pace", save_pace());
}

/// Only an estimate for people: a lost one is no harm.
asio::awaitable<void> Service::save_pace() {
  co_await sleep_for(kSaveEvery);
  pace_saving_ = false;
  Pace::Known changed;
  for (const auto& [name, value] : pace_.known()) {
    const auto before = saved_pace_.find(name);
    if (before == saved_pace_.end() || std::abs(value - before->second) > kWorthSaving * before->second)
      changed[name] = value;
  }
  if (changed.empty()) co_return;
  auto saved = co_await rows_.note_pace(changed);
  if (!saved) {
    log::warn("labs", "what was learned about spawns could not be saved", {{"cause", saved.error().cause}});
    co_return;
  }
  for (const auto& [name, value] : changed) saved_pace_[name] = value;
}

}  // namespace tiltyard::labs
