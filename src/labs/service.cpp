#include "labs/service.h"

#include "engine/engine.h"
#include "identity/identity.h"
#include "labs/admission.h"
#include "labs/lease_clock.h"
#include "labs/meter.h"
#include "labs/reasons.h"
#include "labs/reconcile.h"
#include "labs/remaking.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

constexpr std::chrono::seconds kFinishAtMost{3};

}  // namespace

/// In the order of who uses whom.
struct Service::Rooms {
  Rooms(Options options, Parts parts, Steps steps)
      : ground(std::move(options), std::move(parts)), saga(ground, instances, planner, std::move(steps)) {
    instances.cared_for_by(reconcile);
  }

  Ground ground;
  Instances instances{ground};
  Offers& offers = ground.parts.offers;
  Planner planner{ground};
  Saga saga;
  StartQueue queue{ground, instances, offers, planner, saga};
  WarmPools pools{ground, instances, offers, planner, saga, queue};
  Admission admission{ground, instances, offers, planner, queue, pools};
  Endings endings{ground, instances, saga, queue, pools};
  LeaseClock leases{ground, instances, endings};
  Sleep sleep{ground, instances, saga};
  Openings openings{ground, instances, planner, saga};
  Remaking remaking{ground, instances, queue};
  Reconcile reconcile{ground, instances, offers, planner, saga, queue, pools, sleep};
  Meter meter{ground, instances};
  std::vector<engine::Subscription> engine_news;
};

Service::Service(Options options, Parts parts, Steps steps)
    : rooms_(std::make_unique<Rooms>(std::move(options), std::move(parts), std::move(steps))) {
  rooms_->offers.on_changed([pools = &rooms_->pools](const TemplateId& id) { pools->discard_all(id); });
}

Service::~Service() = default;

asio::awaitable<Result<>> Service::start() {
  auto& rooms = *rooms_;
  if (const auto& composed = rooms.saga.composed(); !composed) co_return composed;
  auto opened = rooms.planner.open();
  if (!opened) co_return opened;
  auto claimed = co_await rooms.reconcile.claim();
  if (!claimed && claimed.error().reason == reason::kNamespaceClaimed) co_return claimed;
  auto loaded = co_await rooms.reconcile.load();
  if (!loaded) co_return loaded;
  rooms.leases.declare_jobs();
  rooms.reconcile.declare_jobs();
  rooms.meter.declare_jobs();
  rooms.pools.declare_jobs();
  rooms.queue.declare_jobs();
  rooms.sleep.declare_jobs();
  auto kept = co_await rooms.leases.keep_ends();
  if (!kept) co_return kept;
  for (const auto& [name, engine] : rooms.ground.parts.engines.all()) {
    rooms.engine_news.push_back(engine->on_event(
        [&rooms, name](const engine::EngineEvent& event) { rooms.reconcile.on_engine_event(name, event); }));
    if (engine->away()) {
      log::warn("labs", "an engine is away; instances are taken up again when it is back", {{"engine", name}});
    } else {
      co_await rooms.reconcile.reattach_all(name);
    }
  }
  co_return Result<>{};
}

asio::awaitable<void> Service::close() {
  auto& rooms = *rooms_;
  rooms.ground.closing = true;
  // What is nearly done may finish; the rest is handed over to the next start, which finds all of it in the rows.
  const auto end = std::chrono::steady_clock::now() + kFinishAtMost;
  while (std::chrono::steady_clock::now() < end && rooms.queue.under_way() > 0) {
    co_await sleep_for(std::chrono::milliseconds{10});
  }
  co_await rooms.ground.gate.close();
}

std::string Service::engine_name_of(const Instance& instance) const {
  if (!instance.plan.engine->empty()) return *instance.plan.engine;
  const auto held = live(instance.id);
  const bool named = held && held->tmpl && !held->tmpl->engine.empty();
  return named ? held->tmpl->engine : rooms_->ground.parts.engines.chosen();
}

std::optional<Error> Service::unreachable(const Instance& instance) const {
  if (!instance.live() || instance.plan.engine->empty()) return std::nullopt;
  return rooms_->ground.parts.engines.of(instance.plan.engine).away();
}

asio::awaitable<void> Service::leave() { return rooms_->reconcile.leave(); }

asio::awaitable<Result<Instance>> Service::request(identity::Principal who, TemplateId tmpl, std::string context,
                                                   std::string address) {
  return rooms_->admission.request(std::move(who), std::move(tmpl), std::move(context), std::move(address));
}

asio::awaitable<Result<Instance>> Service::extend(InstanceId id, bus::Actor actor) {
  return rooms_->leases.extend(std::move(id), std::move(actor));
}

asio::awaitable<Result<Instance>> Service::stop(InstanceId id, std::string cause, bus::Actor actor) {
  return rooms_->endings.stop(std::move(id), std::move(cause), std::move(actor));
}

asio::awaitable<Result<Instance>> Service::stop_because(InstanceId id, Reason reason, bus::Actor actor) {
  return rooms_->endings.stop_because(std::move(id), std::move(reason), std::move(actor));
}

asio::awaitable<Result<>> Service::pause(InstanceId id) { return rooms_->sleep.pause(std::move(id)); }

asio::awaitable<Result<>> Service::wake(InstanceId id) { return rooms_->sleep.wake(std::move(id)); }

asio::awaitable<Result<PlannedEndpoint>> Service::open_endpoint(InstanceId id, Opening wanted, bus::Actor actor) {
  return rooms_->openings.open(std::move(id), std::move(wanted), std::move(actor));
}

asio::awaitable<Result<>> Service::close_endpoint(InstanceId id, std::string name, bus::Actor actor) {
  return rooms_->openings.close(std::move(id), std::move(name), std::move(actor));
}

asio::awaitable<Result<>> Service::remake(InstanceId id, bus::Actor actor) {
  return rooms_->remaking.begin(std::move(id), std::move(actor));
}

std::shared_ptr<void> Service::use(const InstanceId& id) const {
  const auto held = live(id);
  if (!held) return nullptr;
  held->used().open.fetch_add(1);
  return {nullptr, [use = held->use](std::nullptr_t) {
            use->touch();
            use->open.fetch_sub(1);
          }};
}

asio::awaitable<Result<std::optional<Instance>>> Service::find(InstanceId id) {
  if (const auto held = live(id)) {
    std::optional<Instance> seen = held->instance;
    // Its end is on the way to the disk, and its place is still taken: who is told "stopped" may start it again.
    if (!seen->live()) seen->state = InstanceState::kStopping, seen->ended_at.reset();
    co_return seen;
  }
  co_return co_await store().find(std::move(id));
}

asio::awaitable<Result<std::vector<Instance>>> Service::history(std::string owner, TemplateId tmpl) {
  InstanceFilter all;
  all.owner = std::move(owner);
  all.limit = 500;
  auto found = co_await store().list(std::move(all));
  if (found) std::erase_if(*found, [&](const Instance& one) { return one.tmpl != tmpl; });
  co_return found;
}

asio::awaitable<Result<std::optional<Instance>>> Service::wait(InstanceId id, std::chrono::milliseconds limit,
                                                               bool until_final) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (const auto held = live(id)) {
    if (!until_final && is_up(held->instance.state)) break;
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= std::chrono::steady_clock::duration::zero()) break;
    co_await held->changed.wait_for(left);
  }
  co_return co_await find(std::move(id));
}

LiveRef Service::live(const InstanceId& id) const { return rooms_->instances.find(id); }

std::vector<LiveRef> Service::all_live() const { return rooms_->instances.all(); }

std::optional<QueuePlace> Service::queue_place(const InstanceId& id) const { return rooms_->queue.place_of(id); }

SpawnLoad Service::spawn_load() const { return rooms_->queue.load_now(); }

std::optional<std::chrono::microseconds> Service::usual_start(const TemplateId& tmpl) const {
  return rooms_->saga.usual_start(tmpl);
}

asio::awaitable<Result<std::size_t>> Service::sweep(std::chrono::seconds window) {
  return rooms_->reconcile.sweep(window);
}

std::vector<PoolState> Service::pools() const { return rooms_->pools.states(); }

LabsStore& Service::store() { return rooms_->ground.rows; }

}  // namespace tiltyard::labs
