// The way of one instance: steps forward, or all the way back (docs/life-of-a-spawn.md).
#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>

#include "base/backoff.h"
#include "base/failpoint.h"
#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/reasons.h"
#include "jobs/jobs.h"
#include "labs/last_words.h"
#include "labs/lease.h"
#include "labs/measures.h"
#include "labs/reasons.h"
#include "labs/saga.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "templates/templates.h"

namespace tiltyard::labs {

using std::chrono::microseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int kMovesAtMost = 8;
constexpr std::chrono::seconds kLooksAgainAfter{5};
/// For one try to take away what a step has made; it is tried again.
constexpr std::chrono::minutes kUndoAtMost{15};

/// One walk through the steps: who is done, so that those behind may begin.
struct Course {
  std::vector<bool> done;
  bool failed = false;

  bool has(const std::vector<std::size_t>& places) const {
    return std::ranges::all_of(places, [this](std::size_t place) { return done[place]; });
  }
};

namespace {

bus::KindRef end_kind(const Instance& instance) {
  if (instance.state == InstanceState::kFailed) return events::kFailed;
  const bool expired = instance.reason && instance.reason->code == "expiry";
  return expired ? events::kExpired : events::kStopped;
}

const metrics::Histogram& spawn_seconds() {
  static const auto histogram =
      metrics::histogram(measures::kSpawnSeconds, {0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60});
  return histogram;
}

void count_end(const char* what) { metrics::counter(measures::kLifecycle, {what}).add(); }

/// Whether it is worth to wait for the engine and try the step again.
bool engine_trouble(const Error& error) {
  return error.reason == engine::reason::kAway || error.reason == engine::reason::kLost;
}

}  // namespace

Saga::Saga(Ground& ground, Instances& instances, Planner& planner, Steps steps)
    : OnGround(ground), instances_(instances), planner_(planner) {
  auto order = StepOrder::make(std::move(steps));
  if (order) steps_ = std::move(*order);
  else composed_ = fail(std::move(order.error()));
}

Saga::~Saga() = default;

asio::awaitable<Result<>> Saga::load() {
  auto usual = co_await rows_.usual_starts();
  if (!usual) co_return fail(std::move(usual.error()));
  usual_ = std::move(*usual);
  co_return Result<>{};
}

std::optional<microseconds> Saga::usual_start(const TemplateId& tmpl) const {
  const auto found = usual_.find(tmpl);
  return found == usual_.end() ? std::nullopt : std::optional(found->second);
}

asio::awaitable<bool> Saga::spawn(LiveRef live) {
  Instance& instance = live->instance;
  auto made = co_await make_somewhere(live);
  if (made && !live->ending()) {
    const auto took = std::chrono::duration_cast<microseconds>(SteadyClock::now() - live->step_clock);
    auto before = co_await failpoint("labs.spawn.commit.before");
    made = before ? co_await commit_running(live, took) : std::move(before);
    if (made) {
      co_await failpoint("labs.spawn.commit.after");
      spawn_seconds().observe(static_cast<double>(took.count()) / 1e6);
      count_end("spawned");
      auto& usual = usual_[instance.tmpl];
      usual = usual.count() == 0 ? took : (usual * 7 + took * 3) / 10;
      parts_.jobs.poke(kIdle);
      gate_.spawn(parts_.home, "note a start", note_start(instance.tmpl, usual));
      co_return true;
    }
  }
  const bool wanted = live->ending();
  if (!made && !wanted) {
    const Error& error = made.error();
    log::warn("labs", "a spawn failed",
              {{"instance", instance.id.str()},
               {"reason", error.reason},
               {"message", error.message},
               {"cause", error.cause}});
    instance.reason = Reason{error.reason, error.message};
    // Somebody removed it behind our back: the next start is to find it.
    if (error.reason == engine::reason::kImageMissing) {
      instance.reason->text +=
          " It is looked for, and made again where it can be; start again when the template is ready.";
      parts_.offers.catalogue().image_gone(instance.tmpl);
    }
    count_end("failed");
  }
  co_await unmake(live, wanted ? InstanceState::kStopped : InstanceState::kFailed);
  co_return false;
}

/// Nobody sees "running" before it is on disk: a copy is written first, and taken over once that has been answered.
asio::awaitable<Result<>> Saga::commit_running(LiveRef live, std::chrono::microseconds took) {
  Instance& instance = live->instance;
  Instance next = instance;
  next.state = InstanceState::kRunning;
  next.timings.emplace_back("total", took);
  // One whose machines were made again runs since before, and its lease counts on.
  if (!next.expires_at) {
    next.started_at = parts_.clock.now();
    next.expires_at = *next.started_at + first_lease(next.lease, next.context);
  }
  auto saved = co_await rows_.update(next, instances_.event_of(next, events::kRunning, ""));
  if (!saved) co_return saved;
  instance.state = next.state;
  instance.timings = std::move(next.timings);
  instance.started_at = next.started_at;
  instance.expires_at = next.expires_at;
  instances_.announce(*live, events::kRunning, "");
  co_return Result<>{};
}

asio::awaitable<Result<>> Saga::make_somewhere(LiveRef live) {
  if (auto allowed = parts_.look_for_vetoes(); !allowed) co_return allowed;
  auto made = co_await make_all(live);
  for (int moves = 0;
       !made && made.error().reason == engine::reason::kAddressTaken && moves < kMovesAtMost && !live->ending();
       ++moves) {
    made = co_await move_addresses(live);
    if (made) made = co_await make_all(live);
  }
  co_return made;
}

/// Somebody else on this engine uses one of our ranges: another plan, on disk before anything is made of it.
asio::awaitable<Result<>> Saga::move_addresses(LiveRef live) {
  log::warn("labs", "an address range is taken by somebody else; trying the next",
            {{"instance", live->instance.id.str()}});
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) co_await undo_one(live, *step);
  planner_.avoid(live->instance.plan);
  co_await planner_.look_at_ranges(live->instance.plan.engine, instances_);
  planner_.release(*live);
  live->instance.plan = Plan{};
  live->instance.timings.clear();
  live->instance.state = InstanceState::kPreparing;
  auto planned = co_await planner_.plan(live);
  if (!planned) co_return planned;
  co_return co_await instances_.save(live, events::kPreparing, "");
}

asio::awaitable<Result<>> Saga::make_all(LiveRef live) {
  auto& making = live->making.there();
  making.steps_done = 0;
  making.steps_total = 0;
  making.until = live->step_clock + options_.spawn_limit;
  const bool waits = live->instance.pool == PoolRole::kWaiting;
  auto course = std::make_unique<Course>(std::vector<bool>(steps_.size()));
  std::vector<asio::awaitable<Result<>>> works;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (waits && !steps_[i]->in_pool()) continue;
    ++making.steps_total;
    works.push_back(make_one(live, i, course.get()));
  }
  auto results = co_await all_of(std::move(works));
  for (auto& result : results) {
    if (!result && result.error().reason != reason::kNotReached) co_return std::move(result);
  }
  co_return first_error(std::move(results));
}

asio::awaitable<Result<>> Saga::make_one(LiveRef live, std::size_t index, Course* course) {
  const auto& [step, name, after] = steps_[index];
  // A stop wakes those who wait as well.
  while (!course->failed && !live->given_up() && !course->has(after)) co_await live->changed.wait_for(kLooksAgainAfter);
  if (course->failed || live->given_up()) {
    course->failed = true;
    live->changed.pulse();
    co_return fail(Code::kCancelled, reason::kNotReached, "An earlier step failed.");
  }
  if (step->phase() == Phase::kStarting && live->instance.state == InstanceState::kPreparing) {
    live->instance.state = InstanceState::kStarting;
  }
  live->making.there().step = name;
  instances_.announce(*live, events::kProgress, "");
  const auto begun = SteadyClock::now();
  auto made = co_await failpoint("labs.spawn." + name + ".before");
  // What has turned out to need a port of its own has none yet.
  if (made && !step->in_pool()) made = co_await planner_.give_ports(&live->instance);
  for (int tries = 0; made; ++tries) {
    made = co_await make_step(live, step.get(), live->making.there().until);
    if (made || !engine_trouble(made.error()) || tries == 5 || live->given_up()) break;
    const bool back = co_await engine_back(live);
    if (!back) break;
    made = Result<>{};
  }
  if (made) made = co_await failpoint("labs.spawn." + name + ".after");
  const auto took = std::chrono::duration_cast<microseconds>(SteadyClock::now() - begun);
  live->instance.timings.emplace_back(name, took);
  if (made) {
    course->done[index] = true;
    ++live->making.there().steps_done;
  } else {
    course->failed = true;
  }
  live->changed.pulse();
  co_return made;
}

asio::awaitable<Result<>> Saga::make_step(LiveRef live, Step* step, SteadyClock::time_point until) {
  auto made = co_await unless(step->make(live), enough(live, until));
  if (live->ending() || (made && (*made || made->error().code != Code::kCancelled))) {
    co_return made ? std::move(*made) : Result<>(fail(Code::kCancelled, reason::kCancelled, "The start was given up."));
  }
  co_return fail(too_long(step->name()));
}

/// Ends when a step that was to end has had its time for that.
asio::awaitable<void> Saga::enough(LiveRef live, SteadyClock::time_point until) {
  while (!live->ending() && SteadyClock::now() < until) co_await live->changed.wait_for(until - SteadyClock::now());
  co_await sleep_for(options_.cut_after);
}

Error Saga::too_long(const std::string& step) const {
  return {Code::kTimeout,
          reason::kTooLong,
          fmt::format("The start was given up after {} s (labs.spawn_limit), in its step \"{}\".",
                      options_.spawn_limit.count(), step),
          {},
          {}};
}

/// Waits for an engine that went away in the middle of a spawn, at most two minutes.
asio::awaitable<bool> Saga::engine_back(LiveRef live) {
  const auto limit = SteadyClock::now() + std::chrono::minutes{2};
  // "engine-lost" may come before the engine is known to be away: give that a moment.
  co_await sleep_for(std::chrono::milliseconds{100});
  while (engine_of(*live).away() && SteadyClock::now() < limit && !live->given_up()) {
    co_await ground_.engine_changed.wait_for(std::chrono::milliseconds{500});
  }
  co_return !engine_of(*live).away();
}

/// With its machines goes what they have said.
asio::awaitable<void> Saga::keep_last_words(LiveRef live) {
  Instance& instance = live->instance;
  const auto said = co_await last_words(engine_of(*live), instance.plan);
  if (said.empty()) co_return;
  if (instance.reason) instance.reason->text = with_last_words(std::move(instance.reason->text), said);
  auto kept = co_await rows_.keep_last_words(instance.id, said, parts_.clock.now());
  if (!kept) {
    log::warn("labs", "what machines said last could not be written down",
              {{"instance", instance.id.str()}, {"cause", kept.error().cause}});
  }
}

asio::awaitable<void> Saga::unmake(LiveRef live, InstanceState end) {
  Instance& instance = live->instance;
  if (live->work.doing() != Doing::kStopping) live->work.move(Doing::kStopping);
  const bool begins = instance.state != InstanceState::kStopping;
  if (end == InstanceState::kFailed && begins && instance.pool != PoolRole::kWaiting) co_await keep_last_words(live);
  live->kept = Kept::kRunning;
  auto& making = live->making.there();
  making.step = "stopping";
  live->step_clock = SteadyClock::now();
  making.steps_done = 0;
  making.steps_total = steps_.size();
  if (instance.state != InstanceState::kStopping) {
    instance.state = InstanceState::kStopping;
    co_await instances_.save_surely(live, events::kEnding);
  }
  co_await failpoint("labs.stop.begin");
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    co_await undo_one(live, *step);
    ++making.steps_done;
  }
  for (auto& machine : instance.plan.machines) {
    machine.state = MachineIs::kAbsent;
    machine.health = MachineHealth::kUnknown;
  }
  instance.state = end;
  instance.ended_at = parts_.clock.now();
  co_await failpoint("labs.stop.commit.before");
  co_await instances_.save_surely(live, end_kind(instance));
  co_await failpoint("labs.stop.commit.after");
  if (end == InstanceState::kStopped && instance.pool != PoolRole::kWaiting) count_end("stopped");
  planner_.release(*live);
  instances_.forget(live);
}

asio::awaitable<void> Saga::undo_one(LiveRef live, const StepOrder::Node& node) {
  const auto& [step, name, after] = node;
  Growing delay(std::chrono::milliseconds{50}, std::chrono::milliseconds{10'000});
  for (int tries = 1;; ++tries) {
    auto undone = co_await failpoint("labs.stop." + name + ".before");
    if (undone) {
      auto tried = co_await unless(step->undo(live), sleep_for(kUndoAtMost));
      undone = tried ? std::move(*tried) : Result<>(fail(Code::kTimeout, "timeout", "Taking it away did not end."));
    }
    if (undone) undone = co_await failpoint("labs.stop." + name + ".after");
    if (undone) co_return;
    if (tries == 1 || tries % 20 == 0) {
      log::warn("labs", "an undo must be repeated",
                {{"instance", live->instance.id.str()},
                 {"step", name},
                 {"tries", tries},
                 {"reason", undone.error().reason},
                 {"cause", undone.error().cause}});
    }
    co_await ground_.engine_changed.wait_for(delay.next());
  }
}

/// Only an estimate for people: nobody waits for it, and a lost one is no harm.
asio::awaitable<void> Saga::note_start(TemplateId tmpl, std::chrono::microseconds usual) {
  co_await rows_.note_start(std::move(tmpl), usual);
}

}  // namespace tiltyard::labs
