#include "labs/start_queue.h"

#include <algorithm>
#include <cmath>

#include "engine/engine.h"
#include "jobs/jobs.h"
#include "labs/measures.h"
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

}  // namespace

StartQueue::StartQueue(Ground& ground, Instances& instances, Offers& offers, Planner& planner, Saga& saga)
    : OnGround(ground),
      instances_(instances),
      offers_(offers),
      planner_(planner),
      saga_(saga),
      pace_(options_.spawns_at_once) {}

asio::awaitable<Result<>> StartQueue::load() {
  auto pace = co_await rows_.pace();
  if (!pace) co_return fail(std::move(pace.error()));
  pace_.restore(*pace);
  saved_pace_ = std::move(*pace);
  co_return Result<>{};
}

void StartQueue::declare_jobs() {
  parts_.jobs.declare_poll(job_kind(kQueueNews, "Tells those who wait for a start how far they have come.",
                                    std::chrono::minutes{1}, [this] { return tell(); }),
                           std::chrono::hours{1});
}

void StartQueue::pump() {
  static const auto limit = metrics::gauge(measures::kSpawnLimit);
  limit.set(static_cast<double>(pace_.limit()));
  while (!ground_.closing && !waiting_.empty() && room() && parts_.look_for_vetoes()) {
    // Who waits for an engine that is away keeps nobody else from starting.
    const auto next = std::ranges::find_if(waiting_, [this](const LiveRef& one) { return !engine_of(*one).away(); });
    if (next == waiting_.end()) break;
    auto live = std::move(*next);
    waiting_.erase(next);
    ++spawning_;
    instances_.start(Hold(live, Doing::kSpawning), "leave-queue", leave(live));
    moved_ = true;
  }
  places_at_ = {};
  if (waiting_.empty() || told_) return;
  told_ = true;
  parts_.jobs.poke(kQueueNews);
}

/// Everybody behind has moved up: they are told, but not at each single move.
asio::awaitable<Result<jobs::Next>> StartQueue::tell() {
  pump();  // what kept everything from starting may be over
  told_ = !waiting_.empty();
  const bool moved = std::exchange(moved_, false);
  if (moved || ++quiet_turns_ >= kQuietTurns) {
    quiet_turns_ = 0;
    const std::vector<LiveRef> waiting(waiting_.begin(), waiting_.end());
    for (const auto& live : waiting) instances_.announce(*live, events::kQueued, "");
  }
  if (!told_) co_return jobs::Next::done();
  co_return jobs::Next::again(std::max(kNewsEvery, kNewsPerHead * static_cast<int>(waiting_.size())));
}

asio::awaitable<void> StartQueue::leave(LiveRef live) {
  Instance& instance = live->instance;
  auto tmpl = offers_.startable(instance.tmpl);
  Result<> placed = tmpl ? Result<>{} : Result<>(fail(std::move(tmpl.error())));
  if (placed && !live->ending()) {
    live->tmpl = *tmpl;
    instance.template_hash = {*tmpl, (*tmpl)->hash};
    instance.timings.emplace_back("queued", parts_.clock.now() - instance.created_at);
    instance.state = InstanceState::kPreparing;
    live->step_clock = SteadyClock::now();
    placed = co_await planner_.plan(live);
  }
  if (placed && !live->ending()) placed = co_await instances_.save(live, events::kPreparing, "");
  if (placed && !live->ending()) {
    co_await spawn(live);
    co_return;
  }
  if (!placed && !instance.reason) instance.reason = Reason{placed.error().reason, placed.error().message};
  co_await saga_.unmake(live, live->ending() ? InstanceState::kStopped : InstanceState::kFailed);
  give_back_place();
}

/// All places at once: with hundreds of people who wait and look, one walk over the queue serves them all.
void StartQueue::count_places() const {
  std::vector<TemplateId> waiting;
  waiting.reserve(waiting_.size());
  for (const auto& live : waiting_) waiting.push_back(live->instance.tmpl);
  places_at_ = SteadyClock::now();
  const auto etas = pace_.forecast(waiting, spawning_, places_at_);
  places_.clear();
  for (std::size_t n = 0; n < waiting_.size(); ++n) places_[waiting_[n]->instance.id] = {n + 1, etas[n]};
}

std::optional<QueuePlace> StartQueue::place_of(const InstanceId& id) const {
  if (SteadyClock::now() - places_at_ > kPlacesHold) count_places();
  const auto found = places_.find(id);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

void StartQueue::push(LiveRef live) {
  waiting_.push_back(live);
  const auto& tmpl = live->instance.tmpl;
  if (live->tmpl) pace_.expect(tmpl, saga_.usual_start(tmpl).value_or(live->tmpl->expected_boot));
  places_at_ = {};
  // The first estimate is kept beside what really happened, and shown with it.
  if (const auto place = place_of(live->instance.id)) live->instance.timings.emplace_back(kEstimate, place->eta);
}

bool StartQueue::holds(const TemplateId& tmpl) const {
  return std::ranges::any_of(waiting_, [&tmpl](const LiveRef& live) { return live->instance.tmpl == tmpl; });
}

bool StartQueue::turn_away(const LiveRef& live) {
  if (std::erase(waiting_, live) == 0) return false;
  ++spawning_;  // `leave` gives the place back
  Hold hold(live, Doing::kSpawning);
  live->work.ask(Next::kStop);
  instances_.start(std::move(hold), "leave-queue", leave(live));
  return true;
}

SpawnLoad StartQueue::load_now() const {
  return {pace_.limit(), options_.spawns_at_once, spawning_, waiting_.size(), pace_.per_second()};
}

void StartQueue::give_back_place() {
  --spawning_;
  pump();
}

asio::awaitable<void> StartQueue::spawn(LiveRef live) {
  begun(live->instance);
  const bool runs = co_await saga_.spawn(live);
  done(live->instance, runs);
  give_back_place();
}

void StartQueue::begun(const Instance& instance) { pace_.begin(instance.id, instance.tmpl, SteadyClock::now()); }

void StartQueue::done(const Instance& instance, bool success) {
  pace_.end(instance.id, success, SteadyClock::now());
  if (!success) return;
  if (instance.started_at) observe_estimate(instance, *instance.started_at - instance.created_at);
  if (std::exchange(pace_saving_, true)) return;
  gate_.spawn(parts_.home, "save the pace", save_pace());
}

/// How far the first estimate was from the truth, as a part of the truth.
void StartQueue::observe_estimate(const Instance& instance, microseconds actual) {
  const auto estimate = std::find_if(instance.timings.begin(), instance.timings.end(),
                                     [](const auto& part) { return part.first == kEstimate; });
  if (estimate == instance.timings.end() || actual <= microseconds{0}) return;
  static const auto histogram =
      metrics::histogram(measures::kEstimateError, {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2, 5});
  static const auto bias = metrics::gauge(measures::kEstimateBias);
  const double error = static_cast<double>((estimate->second - actual).count()) / static_cast<double>(actual.count());
  histogram.observe(std::abs(error));
  bias_ += 0.1 * (std::clamp(error, -5.0, 5.0) - bias_);
  bias.set(bias_);
}

/// Only an estimate for people: a lost one is no harm.
asio::awaitable<void> StartQueue::save_pace() {
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
