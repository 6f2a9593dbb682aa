#include "labs/reconcile.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/failpoint.h"
#include "engine/reasons.h"
#include "engine/restart.h"
#include "jobs/jobs.h"
#include "labs/machine_spec.h"
#include "labs/machines.h"
#include "labs/measures.h"
#include "labs/reasons.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "templates/templates.h"

namespace tiltyard::labs {
namespace {

using std::chrono::minutes;

constexpr const char* kSweep = "labs.sweep";
constexpr int kRepairsAtMost = 3;
constexpr std::chrono::hours kWordsKept{24};
constexpr minutes kRepairsForgottenAfter{10};
/// Between the tries to mend one instance.
constexpr std::array<std::chrono::milliseconds, 5> kMendPauses{std::chrono::milliseconds{500}, std::chrono::seconds{1},
                                                               std::chrono::seconds{2}, std::chrono::seconds{4},
                                                               std::chrono::seconds{8}};

/// An engine that ends takes its machines along first: what ended so shortly before has not ended by itself.
constexpr std::chrono::seconds kEngineEndsWithin{30};
constexpr std::size_t kMostRemembered = 1024;

/// Whether no further try can bring the instance back.
bool gone_for_good(const Error& error) {
  return error.reason == engine::reason::kMachineMissing || error.reason == reason::kTemplateChanged ||
         error.reason == "machines-ended";
}

bool is_settled(const Plan& plan, const std::string& name) {
  const auto found = std::ranges::find(plan.machines, name, &PlannedMachine::name);
  return found != plan.machines.end() && is_over(found->state);
}

}  // namespace

Reconcile::Reconcile(Ground& ground, Instances& instances, Offers& offers, Planner& planner, Saga& saga,
                     StartQueue& queue, WarmPools& pools, Sleep& sleep)
    : OnGround(ground),
      instances_(instances),
      offers_(offers),
      planner_(planner),
      saga_(saga),
      queue_(queue),
      pools_(pools),
      sleep_(sleep) {
  for (const auto& [name, engine] : parts_.engines.all()) {
    owned_.try_emplace(name, options_.claimant, parts_.engines.terms_of(name).name_space, *engine, rows_);
  }
}

void Reconcile::declare_jobs() {
  auto sweep = job_kind(kSweep, "Lays the engine beside the database: removes orphans, mends what has stopped.",
                        minutes{30}, [this] { return sweep_and_check(); });
  sweep.backoff = {minutes{1}, minutes{10}};
  sweep.at_once = 1;
  parts_.jobs.declare(std::move(sweep));
  parts_.jobs.declare(jobs::Service::Recurring{kSweep, "sweep", {}, *jobs::Schedule::every(options_.sweep_interval)});
}

asio::awaitable<Result<>> Reconcile::load() {
  auto loaded = co_await saga_.load();
  if (loaded) loaded = co_await queue_.load();
  if (!loaded) co_return loaded;
  auto rows = co_await rows_.live();
  if (!rows) co_return fail(std::move(rows.error()));
  for (auto& row : *rows) {
    auto live = std::make_shared<Live>();
    live->instance = std::move(row);
    live->step_clock = std::chrono::steady_clock::now();
    // A reason on a row that is not on its way back yet: somebody asked for the stop while a saga was under way.
    if (live->instance.reason) live->instance.state = InstanceState::kStopping;
    if (const auto entry = offers_.catalogue().find(live->instance.tmpl)) {
      if (entry->tmpl->hash == *live->instance.template_hash) live->tmpl = offers_.overridden(entry->tmpl);
    }
    planner_.restore(live->instance.plan);
    if (live->instance.state == InstanceState::kQueued) queue_.restore(live);
    const bool owned = live->instance.pool != PoolRole::kWaiting;
    instances_.add(std::move(live), owned);
  }
  if (instances_.size() > 0) log::info("labs", "instances taken up again", {{"count", instances_.size()}});
  co_return Result<>{};
}

asio::awaitable<Result<>> Reconcile::claim() {
  for (auto& [name, owned] : owned_) {
    if (parts_.engines.of(name).away()) continue;
    auto claimed = co_await owned.claim();
    if (!claimed) co_return claimed;
  }
  co_return Result<>{};
}

asio::awaitable<void> Reconcile::reattach_all(std::string name) {
  engine::Engine& engine = parts_.engines.of(name);
  auto claimed = co_await owned_.at(name).claim();
  if (!claimed) {
    log::error(
        "labs", "the namespace is not ours; nothing is attached to",
        {{"reason", claimed.error().reason}, {"message", claimed.error().message}, {"cause", claimed.error().cause}});
    co_return;
  }
  co_await planner_.look_at_ranges(name, instances_);
  auto isolated = co_await engine.ensure_isolation();
  if (!isolated) {
    log::error("labs", "isolation is not in force; nothing starts until it is",
               {{"reason", isolated.error().reason},
                {"message", isolated.error().message},
                {"cause", isolated.error().cause}});
  }
  for (const auto& live : instances_.all()) {
    if (!live->free() || live->instance.state == InstanceState::kQueued || &engine_of(*live) != &engine) continue;
    instances_.start(Hold(live, to_do(*live)), "reattach", reattach(live));
  }
  queue_.pump();
  auto swept = co_await sweep_one(name, std::chrono::seconds{0});
  if (!swept)
    log::warn("labs", "the first sweep failed", {{"reason", swept.error().reason}, {"cause", swept.error().cause}});
}

/// What a row asks for that nobody works on.
Doing Reconcile::to_do(const Live& live) {
  const bool waits = live.instance.pool == PoolRole::kWaiting;
  if (is_up(live.instance.state)) return Doing::kMending;
  const bool goes_on = !waits && live.tmpl && live.instance.state != InstanceState::kStopping;
  return goes_on ? Doing::kSpawning : Doing::kStopping;
}

asio::awaitable<void> Reconcile::reattach(LiveRef live) {
  Instance& instance = live->instance;
  if (instance.pool == PoolRole::kWaiting) {
    if (instance.state == InstanceState::kRunning) {
      co_await pools_.shelve_again(live);
      co_return;
    }
    // Half made for nobody: another one is sooner made than this one mended.
    co_await saga_.unmake(live, InstanceState::kStopped);
    co_return;
  }
  switch (instance.state) {
    case InstanceState::kPreparing:
    case InstanceState::kStarting:
      instance.timings.clear();
      queue_.take_place();
      if (live->tmpl) {
        co_await queue_.spawn(live);
        co_return;
      }
      instance.reason =
          Reason{reason::kTemplateChanged, "The template changed while the instance was starting; start it again."};
      co_await saga_.unmake(live, InstanceState::kFailed);
      queue_.give_back_place();
      co_return;
    case InstanceState::kRunning:
    case InstanceState::kPaused:
      co_await mend(live);
      co_return;
    case InstanceState::kStopping:
      co_await saga_.unmake(
          live, instance.reason && !instance.reason->wanted() ? InstanceState::kFailed : InstanceState::kStopped);
      co_return;
    default:
      co_return;
  }
}

asio::awaitable<void> Reconcile::look_after(LiveRef live) {
  return live->instance.pool == PoolRole::kWaiting ? pools_.shelve_again(std::move(live)) : mend(std::move(live));
}

/// A running instance after a restart of ours or of the engine: all is well, or its machines are started again with
/// their file systems as they were, or something is gone for good. An engine that is stopping, or has just begun,
/// refuses in many words before it is away: what it refuses is asked of it again for a while before an instance is
/// given up.
asio::awaitable<void> Reconcile::mend(LiveRef live) {
  auto mended = co_await mend_once(live);
  for (const auto pause : kMendPauses) {
    if (mended || gone_for_good(mended.error())) break;
    if (engine_of(*live).away()) co_return;  // all is looked at again when it is back
    const auto until = std::chrono::steady_clock::now() + pause;
    for (auto now = until - pause; now < until && !live->ending(); now = std::chrono::steady_clock::now()) {
      co_await live->changed.wait_for(until - now);
    }
    if (live->ending()) co_return;
    mended = co_await mend_once(live);
  }
  if (mended) {
    co_await sleep_.settle(live);
    instances_.announce(*live, live->instance.state == InstanceState::kPaused ? events::kPaused : events::kRunning, "");
  } else if (gone_for_good(mended.error()) || !engine_of(*live).away()) {
    co_await lose(live, mended.error());
  }
}

asio::awaitable<Result<>> Reconcile::mend_once(LiveRef live) {
  auto well = Result<>{};
  for (const auto& step : saga_.steps()) {
    auto checked = co_await step->check(live);
    if (!checked && well) well = std::move(checked);
  }
  if (!well && (gone_for_good(well.error()) || engine_of(*live).away())) co_return well;
  if (well && live->instance.pool == PoolRole::kClaimed) {
    well = co_await hand_over_again(live);
    if (!well && gone_for_good(well.error())) co_return well;
  }
  for (const auto& step : saga_.steps()) {
    // A machine that stands still is started again; one that is well only needs what went with the process. Each make
    // finds what is there.
    if (well && !step->lives_in_process()) continue;
    auto made =
        co_await saga_.make_step(live, step.step.get(), std::chrono::steady_clock::now() + options_.spawn_limit);
    if (!made) co_return made;
  }
  if (!well)
    log::info("labs", "an instance was mended", {{"instance", live->instance.id.str()}, {"why", well.error().message}});
  co_return Result<>{};
}

/// A claim may have been cut between its commit and the last step: all of it is done once more.
asio::awaitable<Result<>> Reconcile::hand_over_again(LiveRef live) {
  for (const auto& step : saga_.steps()) {
    if (!step->in_pool()) continue;
    auto done = co_await step->claim(live);
    if (!done) co_return done;
  }
  co_return Result<>{};
}

asio::awaitable<void> Reconcile::lose(LiveRef live, Error why) {
  log::warn("labs", "an instance was lost", {{"instance", live->instance.id.str()}, {"why", why.message}});
  metrics::counter(measures::kLifecycle, {"lost"}).add();
  if (!live->instance.reason) {
    const bool by_itself = why.reason == "machines-ended";
    live->instance.reason =
        by_itself ? Reason{why.reason, std::move(why.message)}
                  : Reason{reason::kEngineLoss, why.message + " The rest of the instance was removed; start it again."};
  }
  co_await saga_.unmake(live, InstanceState::kFailed);
}

/// What is under way writes the machines down with its own commit. Mending has none, and otherwise nobody does.
void Reconcile::tell_of_machines(const LiveRef& live) {
  if (!live->free() && live->work.doing() != Doing::kMending) return;
  gate_.spawn(parts_.home, "note machines", note_machines(live));
  instances_.announce(*live, events::kProgress, "");
}

asio::awaitable<void> Reconcile::note_machines(LiveRef live) {
  auto noted = co_await rows_.note_machines(live->instance);
  if (!noted) {
    // The next change of the instance writes them as well.
    log::warn("labs", "how machines are could not be written down",
              {{"instance", live->instance.id.str()}, {"cause", noted.error().cause}});
  }
}

void Reconcile::on_engine_event(const std::string& engine, const engine::EngineEvent& event) {
  using enum engine::Happening;
  ground_.engine_changed.pulse();
  if (event.what == kReconnected) {
    gate_.spawn(parts_.home, "reattach", reattach_all(engine));
    return;
  }
  if (event.what == kLost) {
    doubt_ends(engine);
    // That nothing of them can be reached is news to whoever looks at them.
    for (const auto& live : instances_.all()) {
      if (&engine_of(*live) == &parts_.engines.of(engine)) instances_.announce(*live, events::kProgress, "");
    }
    return;
  }
  const auto label = event.labels.find(engine::kLabelInstance);
  const auto held = label == event.labels.end() ? nullptr : instances_.find(InstanceId(label->second));
  // What others keep for an instance on its engine, such as its snapshots' files, is none of its machines.
  if (!held) return;
  const auto& machines = held->instance.plan.machines;
  if (std::ranges::find(machines, event.machine, &PlannedMachine::name) == machines.end()) return;
  if (note(held->instance.plan, event)) tell_of_machines(held);
  const bool gone = event.what == kDied || event.what == kDestroyed;
  if ((!gone && event.what != kResumed) || held->ending()) return;
  if (!gone) {
    // Mostly our own doing. Where it is not, somebody has woken the instance behind our back.
    if (held->instance.state == InstanceState::kPaused && held->free())
      instances_.start(Hold(held, Doing::kMending), "look after an unpause", mend(held));
    return;
  }
  if (event.what == kDestroyed && is_settled(held->instance.plan, event.machine)) return;
  if (event.what == kDied) {
    if (settles(held, event.machine, engine::exit_code_of(event))) return;
    // Its engine starts it again, as often as the template says.
    if (const auto policy = event.labels.find(engine::kLabelRestart); policy != event.labels.end()) {
      if (policy->second.starts_with("on-failure"))
        gate_.spawn(parts_.home, "look whether a machine goes on", look_whether_it_goes_on(held, event));
      return;
    }
  }
  if (!held->free()) {
    held->work.ask(Next::kLook);
    return;
  }
  if (held->instance.state != InstanceState::kRunning && held->instance.state != InstanceState::kPaused) return;
  // It may be one that had done its work.
  if (held->instance.pool == PoolRole::kWaiting)
    return instances_.start(Hold(held, Doing::kMending), "look at what waits", pools_.shelve_again(held));
  const auto now = std::chrono::steady_clock::now();
  if (now - held->last_repair > kRepairsForgottenAfter) held->repairs = 0;
  held->last_repair = now;
  if (++held->repairs > kRepairsAtMost) {
    if (give_up_helper(held, event)) return;
    instances_.start(Hold(held, Doing::kMending), "lose",
                     lose(held, {Code::kConflict,
                                 reason::kMachineExited,
                                 fmt::format("A machine ended {} times within {} minutes.", held->repairs,
                                             kRepairsForgottenAfter.count()),
                                 {},
                                 {}}));
    return;
  }
  instances_.start(Hold(held, Doing::kMending), "mend", mend(held));
}

/// Whether the machine stays ended, as its template has it. The instance goes on while a machine lives that matters.
bool Reconcile::settles(const LiveRef& live, const std::string& name, int exit_code) {
  auto& machines = live->instance.plan.machines;
  const auto machine = std::ranges::find(machines, name, &PlannedMachine::name);
  if (machine == machines.end() || !stays_ended(*live, machine->service, exit_code)) return false;
  close(live, *machine, exit_code);
  return true;
}

/// One that nobody reaches is left as it is when it has ended too often, and the rest goes on.
bool Reconcile::give_up_helper(const LiveRef& live, const engine::EngineEvent& death) {
  auto& plan = live->instance.plan;
  const auto machine = std::ranges::find(plan.machines, death.machine, &PlannedMachine::name);
  if (death.what != engine::Happening::kDied || machine == plan.machines.end() || matters(plan, *machine)) return false;
  close(live, *machine, engine::exit_code_of(death));
  return true;
}

void Reconcile::close(const LiveRef& live, PlannedMachine& machine, int exit_code) {
  close_book(machine, exit_code);
  const auto now = std::chrono::steady_clock::now();
  while (!ended_lately_.empty() &&
         (ended_lately_.size() >= kMostRemembered || now - ended_lately_.front().when > kEngineEndsWithin)) {
    ended_lately_.pop_front();
  }
  ended_lately_.push_back({live->instance.id, machine.name, now});
  log::info("labs", "a machine has ended and stays so",
            {{"instance", live->instance.id.str()}, {"machine", machine.service}, {"exit_code", exit_code}});
  tell_of_machines(live);
  if (!all_over(live->instance.plan)) return;
  if (!live->free()) live->work.ask(Next::kLook);
  else if (is_up(live->instance.state))
    instances_.start(Hold(live, Doing::kMending), "look at what has ended", look_after(live));
}

/// One that is to be started again until it ends well, or so many times: the engine has given it up, or not.
asio::awaitable<void> Reconcile::look_whether_it_goes_on(LiveRef live, engine::EngineEvent death) {
  const auto find = [&]() -> PlannedMachine* {
    auto& machines = live->instance.plan.machines;
    const auto found = std::ranges::find(machines, death.machine, &PlannedMachine::name);
    return found == machines.end() ? nullptr : &*found;
  };
  if (!find()) co_return;
  auto status = co_await engine_of(*live).inspect(find()->handle);
  auto* const machine = find();
  const bool given_up = status && status->state == engine::MachineState::kExited;
  if (machine && given_up && instances_.knows(live) && !live->ending()) close(live, *machine, status->exit_code);
}

void Reconcile::doubt_ends(const std::string& engine) {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& one : ended_lately_) {
    const auto live = instances_.find(one.instance);
    if (!live || now - one.when > kEngineEndsWithin || &engine_of(*live) != &parts_.engines.of(engine)) continue;
    for (auto& machine : live->instance.plan.machines) {
      if (machine.name == one.machine && is_over(machine.state)) machine.state = MachineIs::kExited;
    }
    gate_.spawn(parts_.home, "note machines", note_machines(live));
  }
}

asio::awaitable<Result<jobs::Next>> Reconcile::sweep_and_check() {
  // Whoever prunes the engine's volumes by hand takes the claim with them.
  auto claimed = co_await claim();
  if (!claimed) log::error("labs", "the namespace is not ours", {{"message", claimed.error().message}});
  co_await rows_.forget_last_words(parts_.clock.now() - kWordsKept);
  auto swept = co_await sweep(options_.sweep_window);
  // A machine that vanished without an event being seen.
  for (const auto& live : instances_.all()) {
    if (!live->free() || !is_up(live->instance.state) || engine_of(*live).away()) continue;
    instances_.start(Hold(live, Doing::kMending), "check", look_after(live));
    co_await live->changed.wait_for(std::chrono::seconds{10});
  }
  // The engine's list of a thousand machines takes some MB for a moment, which would stay with us for good.
  ::malloc_trim(0);
  if (!swept) co_return fail(std::move(swept.error()));
  co_return jobs::Next::done();
}

asio::awaitable<Result<std::size_t>> Reconcile::sweep(std::chrono::seconds window) {
  std::size_t removed = 0;
  for (const auto& [name, engine] : parts_.engines.all()) {
    if (engine->away()) continue;
    auto swept = co_await sweep_one(name, window);
    if (!swept) co_return swept;
    removed += *swept;
  }
  co_return removed;
}

asio::awaitable<Result<std::size_t>> Reconcile::sweep_one(std::string name, std::chrono::seconds window) {
  auto found = co_await owned_.at(name).ours();
  if (!found) co_return fail(std::move(found.error()));
  const auto now = parts_.clock.now();
  std::vector<engine::Resource> orphans;
  for (auto& resource : *found) {
    if (resource.labels.contains(kLabelShared)) continue;
    const auto label = resource.labels.find(engine::kLabelInstance);
    if (label == resource.labels.end() || instances_.find(InstanceId(label->second))) continue;
    if (now - resource.created_at < window) continue;
    log::warn("labs", "an orphan is removed", {{"name", resource.name}, {"instance", label->second}});
    orphans.push_back(std::move(resource));
  }
  const auto removed = co_await remove_all(parts_.engines.of(name), std::move(orphans));
  if (removed > 0) { metrics::counter(measures::kOrphansRemoved).add(static_cast<double>(removed)); }
  co_return removed;
}

asio::awaitable<void> Reconcile::leave() {
  for (auto& [name, owned] : owned_) co_await leave_one(parts_.engines.of(name), owned);
}

asio::awaitable<void> Reconcile::leave_one(engine::Engine& engine, Ownership& owned) {
  // One that was refused has read no rows, and may be a copy of the server whose networks these are.
  if (instances_.size() > 0 || engine.away() || !owned.holds()) co_return;
  auto found = co_await engine.list();
  if (!found) co_return;
  std::vector<engine::Resource> shared;
  for (auto& resource : *found) {
    if (resource.kind != engine::ResourceKind::kNetwork || !resource.labels.contains(kLabelShared)) continue;
    const auto server = resource.labels.find(engine::kLabelServer);
    const bool ours =
        server == resource.labels.end() ? planner_.names(resource.name) : server->second == options_.claimant.server;
    if (ours) shared.push_back(std::move(resource));
  }
  const auto wanted = shared.size();
  const auto removed = co_await remove_all(engine, std::move(shared));
  if (removed != wanted) log::warn("labs", "shared networks stay", {{"networks", wanted - removed}});
  auto released = co_await owned.release();
  if (!released) log::warn("labs", "the claim on the namespace stays", {{"cause", released.error().cause}});
}

}  // namespace tiltyard::labs
