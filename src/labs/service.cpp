#include "labs/service.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/failpoint.h"
#include "labs/lease.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::labs {
namespace {

/// What somebody stops is kept; what the server ends by itself, its end tells.
bus::KindRef stopping_by(const bus::Actor& actor) { return actor.name.empty() ? events::kEnding : events::kStopping; }

constexpr std::chrono::seconds kFinishAtMost{3};

}  // namespace

Service::Service(Options options, Parts parts, Steps steps)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      rows_(parts_.store, parts_.jobs),
      ownership_(options_.claimant, options_.prefix, parts_.engine, rows_),
      steps_(std::move(steps)),
      gate_("labs"),
      pace_(options_.spawns_at_once),
      engine_changed_(parts_.home) {}

Service::~Service() = default;

asio::awaitable<Result<>> Service::start() {
  auto plan =
      AddressPlan::make(options_.network_pool, options_.prefix, options_.claimant.server, options_.machines_per_bridge);
  if (!plan) co_return fail(std::move(plan.error()));
  addresses_.emplace(std::move(*plan));
  auto claimed = parts_.engine.away() ? Result<>{} : co_await ownership_.claim();
  if (!claimed && claimed.error().reason == "namespace-claimed") co_return claimed;
  auto loaded = co_await load();
  if (!loaded) co_return loaded;
  declare_jobs();
  auto kept = co_await keep_lease_ends();
  if (!kept) co_return kept;
  engine_news_ = parts_.engine.on_event([this](const engine::EngineEvent& event) { on_engine_event(event); });
  if (parts_.engine.away()) {
    log::warn("labs", "the engine is away; instances are taken up again when it is back");
  } else {
    co_await reattach_all();
  }
  co_return Result<>{};
}

asio::awaitable<bool> Ripple::wait_for(std::chrono::steady_clock::duration limit) {
  if (set_) co_return true;
  const auto executor = co_await asio::this_coro::executor;
  if (!signal_) signal_ = std::make_shared<Signal>(executor);
  const auto signal = signal_;
  const bool told = co_await signal->wait_for(limit);
  if (signal.use_count() == 2) signal_.reset();  // nobody else waits
  co_return told;
}

asio::awaitable<void> Service::close() {
  closing_ = true;
  // What is nearly done may finish; the rest is handed over to the next start, which finds all of it in the rows.
  const auto end = std::chrono::steady_clock::now() + kFinishAtMost;
  while (std::chrono::steady_clock::now() < end && spawning_ > 0) co_await sleep_for(std::chrono::milliseconds{10});
  co_await gate_.close();
}

asio::awaitable<Result<Instance>> Service::extend(InstanceId id, bus::Actor actor) {
  const auto held = live(id);
  if (!held) co_return fail(Code::kNotFound, "instance-unknown", "There is no such instance.");
  Instance& instance = held->instance;
  if (!is_up(instance.state) || !instance.started_at || !instance.expires_at) {
    co_return fail(Code::kConflict, "instance-not-running", "Only a running instance can be extended.");
  }
  const LeaseState lease{*instance.started_at, *instance.expires_at, instance.extensions, instance.added};
  auto longer = labs::extend(instance.lease, lease, parts_.clock.now());
  if (!longer) co_return fail(std::move(longer.error()));
  instance.expires_at = longer->expires_at;
  instance.extensions = longer->extensions;
  instance.added = longer->added;
  auto saved = co_await save(held, events::kExtended, actor);
  if (!saved) {
    // Unless it has moved on meanwhile: then the newer truth stays.
    if (instance.extensions == longer->extensions) {
      instance.expires_at = lease.expires_at;
      instance.extensions = lease.extensions;
      instance.added = lease.added;
    }
    co_return fail(std::move(saved.error()));
  }
  co_return instance;
}

asio::awaitable<Result<Instance>> Service::stop(InstanceId id, std::string cause, bus::Actor actor) {
  const auto held = live(id);
  if (!held) {
    auto ended = co_await rows_.find(id);
    if (ended && *ended) co_return **ended;  // stopping twice is no error
    co_return fail(Code::kNotFound, "instance-unknown", "There is no such instance.");
  }
  Instance& instance = held->instance;
  if (instance.state == InstanceState::kStopping || held->stop_requested) co_return instance;
  static const std::map<std::string, std::string> kTexts{{"user", "Stopped by its owner."},
                                                         {"admin", "Stopped by staff."},
                                                         {"expiry", "The lease has ended."},
                                                         {"abuse", "Stopped because of abuse."}};
  const auto text = kTexts.find(cause);
  held->stop_requested = true;
  instance.reason = Reason{cause, text == kTexts.end() ? "Stopped." : text->second};
  if (std::erase(queue_, held) > 0) {
    ++spawning_;  // `leave_queue` gives the place back
    begin(held, "leave-queue", leave_queue(held));
    co_return instance;
  }
  held->changed.pulse();
  // A saga under way sees the request by itself, at the latest after its present step. The reason in the row makes the
  // request outlive a crash.
  if (held->busy) {
    auto noted = co_await save(held, stopping_by(actor), actor);
    if (!noted) co_return fail(std::move(noted.error()));
    co_return instance;
  }
  if (instance.pool == PoolRole::kWaiting) std::erase(shelves_[instance.tmpl].ready, held);
  held->busy = true;
  const auto before_stop = instance.state;
  instance.state = InstanceState::kStopping;
  auto before = co_await failpoint("labs.stop.accept.before");
  auto saved = before ? co_await save(held, stopping_by(actor), actor) : std::move(before);
  if (!saved) {
    instance.state = before_stop;
    instance.reason.reset();
    held->stop_requested = false;
    held->busy = false;
    co_return fail(std::move(saved.error()));
  }
  co_await failpoint("labs.stop.accept.after");
  begin(held, "stop", unmake(held, InstanceState::kStopped));
  co_return instance;
}

asio::awaitable<Result<std::optional<Instance>>> Service::find(InstanceId id) {
  if (const auto held = live(id)) co_return std::optional<Instance>(held->instance);
  co_return co_await rows_.find(std::move(id));
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

LiveRef Service::live(const InstanceId& id) const {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : *found;
}

std::vector<LiveRef> Service::all_live() const { return {live_.begin(), live_.end()}; }

void Service::forget(const LiveRef& live) {
  if (const auto found = live_.find(live->instance.id); found != live_.end()) live_.erase(found);
  one_less(live->instance.owner);
  if (live->instance.pool == PoolRole::kWaiting) parts_.jobs.poke(kPools);
  live->changed.set();
}

void Service::one_less(const std::string& owner) {
  const auto found = by_owner_.find(owner);
  if (found != by_owner_.end() && --found->second == 0) by_owner_.erase(found);
}

bus::Event Service::event_of(const Instance& instance, bus::KindRef kind, bus::Actor actor) const {
  bus::Event event{kind, instance.id.str(), instance.owner, std::move(actor), parts_.clock.now(), {}};
  event.detail = fmt::format(R"({{"template":"{}","state":"{}"{}}})", instance.tmpl.str(), to_string(instance.state),
                             instance.reason ? fmt::format(R"(,"reason":"{}")", instance.reason->code) : "");
  return event;
}

/// Tells those who look on in this process; what is on disk has been written before.
void Service::announce(Live& live, bus::KindRef kind, const bus::Actor& actor) {
  live.changed.pulse();
  if (live.instance.pool == PoolRole::kWaiting) return;  // nobody's business yet
  parts_.bus.publish(event_of(live.instance, kind, actor));
}

}  // namespace tiltyard::labs
