#include "labs/sleep.h"

#include <algorithm>

#include "base/failpoint.h"
#include "jobs/jobs.h"
#include "labs/measures.h"
#include "labs/reasons.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kLookAtLeastEvery{60};
constexpr std::chrono::seconds kWakeAtMost{10};
// A pause costs the engine as much as an unpause, and players' own calls go through the same engine.
constexpr std::size_t kPausesAtOnce = 4;

void count(const char* what) { metrics::counter(measures::kLifecycle, {what}).add(); }

}  // namespace

void Sleep::declare_jobs() {
  if (!parts_.presence.activity) return;
  parts_.jobs.declare_poll(
      job_kind(kIdle, "Pauses instances that nobody uses.", std::chrono::minutes{10}, [this] { return pause_idle(); }),
      std::chrono::minutes{1});
}

asio::awaitable<Result<>> Sleep::tell_asleep(LiveRef live, bool asleep) {
  if (!parts_.presence.set_asleep) co_return Result<>{};
  co_return co_await parts_.presence.set_asleep(live->instance.id, asleep);
}

/// When the instance has been idle for long enough; nullopt: never, as it is now.
std::optional<SteadyClock::time_point> Sleep::sleeps_at(Live& live) const {
  const auto& instance = live.instance;
  if (instance.state != InstanceState::kRunning || !live.tmpl || live.tmpl->pause_after.count() == 0)
    return std::nullopt;
  if (instance.pool == PoolRole::kWaiting || live.ending() || !engine_of(live).freezer()) return std::nullopt;
  const auto now = SteadyClock::now(), later = now + live.tmpl->pause_after;
  const auto seen = parts_.presence.activity(instance.id);
  if (!live.free() || live.used().open > 0 || !seen || seen->waiting) return later;
  // The first look at it: it has just come to run.
  if (live.used().last == 0) live.used().touch();
  const SteadyClock::time_point used{SteadyClock::duration(live.used().last)};
  return std::max(used, seen->last) + live.tmpl->pause_after;
}

/// Looks again when the next one will have been idle for long enough.
asio::awaitable<Result<jobs::Next>> Sleep::pause_idle() {
  const auto now = SteadyClock::now();
  SteadyClock::duration nearest = kLookAtLeastEvery;
  std::vector<asio::awaitable<Result<>>> works;
  for (const auto& live : instances_.all()) {
    const auto due = sleeps_at(*live);
    if (!due || engine_of(*live).away()) continue;
    if (*due > now) nearest = std::min(nearest, *due - now);
    else if (works.size() < kPausesAtOnce) works.push_back(put_to_sleep(live, true));
  }
  if (works.empty()) co_return jobs::Next::again(std::chrono::ceil<milliseconds>(nearest));
  co_await all_of(std::move(works));
  co_return jobs::Next::again({});
}

asio::awaitable<Result<>> Sleep::pause(InstanceId id) {
  const auto held = instances_.find(id);
  if (!held) co_return fail(Code::kNotFound, reason::kInstanceUnknown, "There is no such instance.");
  if (held->instance.state == InstanceState::kPaused) co_return Result<>{};
  if (held->instance.state != InstanceState::kRunning || !held->free()) {
    co_return fail(Code::kConflict, "not-running", "Only a running instance can be paused.");
  }
  co_return co_await put_to_sleep(held, false);
}

asio::awaitable<Result<>> Sleep::put_to_sleep(LiveRef live, bool only_if_idle) {
  if (!live->free()) co_return fail(Code::kConflict, "in-use", "Somebody is busy with the instance.");
  const auto dozing = std::make_shared<Dozing>();
  instances_.start(Hold(live, Doing::kPausing), "pause", doze_off(live, only_if_idle, dozing));
  while (!dozing->over) co_await live->changed.wait_for(std::chrono::seconds{1});
  // Whatever was in the way may still be: the idle time begins anew.
  if (!dozing->result) live->used().touch();
  co_return dozing->result;
}

/// The gateway first: from then on nobody gets through to a machine that is about to stand still.
asio::awaitable<void> Sleep::doze_off(LiveRef live, bool only_if_idle, std::shared_ptr<Dozing> dozing) {
  auto& outcome = dozing->result;
  outcome = co_await tell_asleep(live, true);
  if (outcome) outcome = co_await freeze_all(live, only_if_idle);
  if (outcome) {
    count("paused");
    co_await failpoint("labs.pause.commit.after");
  } else {
    co_await tell_asleep(live, false);
    const Error& error = outcome.error();
    if (error.reason != "in-use") {
      log::warn("labs", "an instance could not be paused",
                {{"instance", live->instance.id.str()}, {"reason", error.reason}, {"cause", error.cause}});
    }
  }
  dozing->over = true;
  live->changed.pulse();
}

asio::awaitable<Result<>> Sleep::freeze_all(LiveRef live, bool only_if_idle) {
  Instance& instance = live->instance;
  // Who came before the gateway had heard is not left behind.
  const auto seen = only_if_idle ? parts_.presence.activity(instance.id) : std::nullopt;
  if (seen && (seen->waiting || live->used().open > 0 || seen->last + live->tmpl->pause_after > SteadyClock::now())) {
    co_return fail(Code::kConflict, "in-use", "Somebody has just begun to use it.");
  }
  const auto some_ended = std::make_shared<bool>(false);
  auto frozen = co_await each_machine(engine_of(*live), live, &engine::Freezer::pause, some_ended);
  if (frozen) frozen = co_await failpoint("labs.pause.commit.before");
  if (frozen) {
    for (auto& machine : instance.plan.machines) {
      if (machine.state == MachineIs::kRunning) machine.state = MachineIs::kPaused;
    }
    // In memory first: what else is saved of the instance meanwhile then says the same.
    instance.state = InstanceState::kPaused;
    frozen = co_await instances_.save(live, events::kPaused, "");
    if (!frozen) instance.state = InstanceState::kRunning;
  }
  if (!frozen) co_await each_machine(engine_of(*live), live, &engine::Freezer::resume, some_ended);
  co_return frozen;
}

asio::awaitable<Result<>> Sleep::wake(InstanceId id) {
  const auto until = SteadyClock::now() + kWakeAtMost;
  while (true) {
    const auto held = instances_.find(id);
    if (!held || held->ending()) co_return fail(Code::kNotFound, reason::kInstanceUnknown, "The instance has ended.");
    const auto left = until - SteadyClock::now();
    if (left <= SteadyClock::duration::zero())
      co_return fail(Code::kTimeout, "timeout", "The instance did not wake in time.");
    if (const auto waking = held->waking) {
      const bool done = co_await waking->done.wait_for(left);
      if (done) co_return waking->result;
      continue;
    }
    if (held->instance.state != InstanceState::kPaused && held->work.doing() != Doing::kPausing) co_return Result<>{};
    if (!held->free()) {
      // It is just being paused, or looked after.
      co_await held->changed.wait_for(left);
      continue;
    }
    Hold hold(held, Doing::kWaking);
    held->waking = std::make_shared<Waking>(parts_.home);
    instances_.start(std::move(hold), "wake", rouse(held, held->waking));
  }
}

/// Those who wait are answered as soon as the machines run; the store and the engine's own view follow.
asio::awaitable<void> Sleep::rouse(LiveRef live, std::shared_ptr<Waking> waking) {
  waking->result = co_await thaw_all(live);
  const bool still_there = instances_.knows(live) && !live->ending();
  if (waking->result && !still_there)
    waking->result = fail(Code::kNotFound, reason::kInstanceUnknown, "The instance has ended.");
  const bool thawed = waking->result && live->instance.state == InstanceState::kPaused;
  if (thawed) {
    live->instance.state = InstanceState::kRunning;
    for (auto& machine : live->instance.plan.machines) {
      if (machine.state == MachineIs::kPaused) machine.state = MachineIs::kRunning;
    }
    live->used().touch();
    co_await tell_asleep(live, false);
  }
  waking->done.set();
  if (thawed) {
    count("woken");
    co_await failpoint("labs.wake.commit.before");
    co_await instances_.save_surely(live, events::kResumed);
    co_await failpoint("labs.wake.commit.after");
    co_await quiet_moment(parts_.presence, live);
    const auto some_ended = std::make_shared<bool>(false);
    auto resumed = co_await each_machine(engine_of(*live), live, &engine::Freezer::resume, some_ended);
    if (!resumed) {
      // It runs all the same; the engine brings its view up to date when that is needed.
      log::warn("labs", "the engine still takes an instance for paused",
                {{"instance", live->instance.id.str()},
                 {"reason", resumed.error().reason},
                 {"cause", resumed.error().cause}});
    }
    parts_.jobs.poke(kIdle);
  }
  live->waking.reset();
}

/// A machine that ended while it was paused is started again, and only then is the instance awake.
asio::awaitable<Result<>> Sleep::thaw_all(LiveRef live) {
  const auto some_ended = std::make_shared<bool>(false);
  auto thawed = co_await each_machine(engine_of(*live), live, &engine::Freezer::thaw, some_ended);
  if (thawed && !*some_ended) co_return Result<>{};
  if (!thawed && thawed.error().code == Code::kUnavailable) co_return thawed;
  for (const auto& step : saga_.steps()) {
    auto checked = co_await step->check(live);
    if (!checked) thawed = std::move(checked);
  }
  if (thawed) co_return Result<>{};
  co_await instances_.look_after(live);
  const bool runs = instances_.knows(live) && live->instance.state == InstanceState::kRunning;
  if (runs) co_return Result<>{};
  co_return thawed;
}

/// After a restart of ours or of the engine: the row and the machines say the same again. A row that says "running" has
/// its machines resumed: the crash came before the pause was on disk. A row that says "paused" has them frozen, unless
/// one of them runs as the engine sees it: then somebody woke it behind our back, and it counts as woken.
asio::awaitable<void> Sleep::settle(LiveRef live) {
  Instance& instance = live->instance;
  const bool paused = instance.state == InstanceState::kPaused;
  // What we never pause is left as it is: an operator may have paused it. What was claimed may have waited frozen.
  const bool never_ours = live->tmpl && live->tmpl->pause_after.count() == 0 && instance.pool == PoolRole::kNone;
  if (!paused && (instance.state != InstanceState::kRunning || never_ours)) co_return;
  bool some_run = false, some_paused = false;
  const auto machines = instance.plan.machines;
  for (const auto& machine : machines) {
    auto status = co_await engine_of(*live).inspect(machine.handle);
    if (!status) co_return;
    some_run = some_run || status->state == engine::MachineState::kRunning;
    some_paused = some_paused || status->state == engine::MachineState::kPaused;
  }
  const auto some_ended = std::make_shared<bool>(false);
  const bool awake = !paused || some_run;
  auto settled = Result<>{};
  if (!awake) {
    settled = co_await tell_asleep(live, true);
    // The engine may say "paused" of what an earlier process thawed in its last moments.
    if (settled) settled = co_await each_machine(engine_of(*live), live, &engine::Freezer::pause, some_ended);
  } else {
    if (some_paused) settled = co_await each_machine(engine_of(*live), live, &engine::Freezer::resume, some_ended);
    if (paused) {
      instance.state = InstanceState::kRunning;
      co_await instances_.save_surely(live, events::kResumed);
    }
    live->used().touch();
    if (paused) co_await tell_asleep(live, false);
    parts_.jobs.poke(kIdle);
  }
  if (!settled) {
    log::warn("labs", "an instance is neither asleep nor awake as it should be",
              {{"instance", instance.id.str()}, {"reason", settled.error().reason}, {"cause", settled.error().cause}});
  }
}

}  // namespace tiltyard::labs
