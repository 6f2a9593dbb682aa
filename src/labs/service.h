#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/gate.h"
#include "bus/bus.h"
#include "engine/engine.h"
#include "gateway/port_lanes.h"
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "labs/address_plan.h"
#include "labs/events.h"
#include "labs/idle.h"
#include "labs/ownership.h"
#include "labs/pace.h"
#include "labs/pool.h"
#include "labs/step.h"
#include "labs/store.h"
#include "templates/templates.h"

namespace tiltyard::labs {

struct Course;

/// Kinds of jobs that are poked when something has happened that they look for.
inline constexpr const char* kPools = "labs.pools";
inline constexpr const char* kIdle = "labs.idle";
inline constexpr const char* kQueueNews = "labs.queue";

/// Finds what is alive by its own id, which is not written down twice.
struct ById {
  using is_transparent = void;
  static const InstanceId& id_of(const LiveRef& live) { return live->instance.id; }
  static const InstanceId& id_of(const InstanceId& id) { return id; }
  std::size_t operator()(const auto& one) const noexcept { return std::hash<InstanceId>{}(id_of(one)); }
  bool operator()(const auto& one, const auto& other) const noexcept { return id_of(one) == id_of(other); }
};

struct Options {
  std::string prefix = "tiltyard";  ///< of engine names: the engine's namespace
  Claimant claimant;                ///< this server
  std::string network_pool = "10.64.0.0/12";
  std::uint32_t machines_per_bridge = 1000;
  std::size_t spawns_at_once = 10;
  std::size_t queue_limit = 1000;
  std::size_t instances_per_owner = 3;
  std::size_t instances_total = 1000;
  std::chrono::seconds sweep_interval{600};
  std::chrono::seconds sweep_window{300};
  std::chrono::seconds expiry_interval{60};
  std::chrono::seconds usage_interval{60};
  std::size_t fills_at_once = 2;  ///< instances that are made for pools side by side
  std::function<PoolChoice(const templates::Template&)> pool_choice;  ///< unset: always "running"
};

/// What the service needs of others; all outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  engine::Engine& engine;
  templates::Catalogue& catalogue;
  gateway::PortLanes& lanes;
  bus::Bus& bus;
  const Clock& clock;
  jobs::Service& jobs;
  Presence presence{};
};

/// Hands out instances and takes them away again. Lives on the home loop; every call belongs there.
/// The model is in docs/life-of-a-spawn.md: one row before anything is made, steps that can be repeated, one commit
/// when it runs, undo in reverse order, and the same reconciliation at start and every ten minutes.
class Service {
 public:
  Service(Options options, Parts parts, Steps steps);
  ~Service();

  /// Reads the rows, lays them beside what the engine has, goes on where an earlier process stopped, and declares its
  /// jobs, which must not run before. When the engine is away, its part is done as soon as it is back.
  /// `namespace-claimed`: another server's instances are on this engine under our namespace.
  asio::awaitable<Result<>> start();
  /// Leaves everything as it is (rows are durable, machines go on) and ends the background work. Jobs must have ended.
  asio::awaitable<void> close();
  /// After `close`: a server that leaves with nothing running leaves nothing on the engine, not even the networks that
  /// single machines share or its claim on the namespace.
  asio::awaitable<void> leave();

  /// Admission (row 1.7); `address` is the client's, for the record. The instance is on its way, or in the queue, when
  /// this returns.
  asio::awaitable<Result<Instance>> request(identity::Principal who, TemplateId tmpl, std::string context,
                                            std::string address = {});
  asio::awaitable<Result<Instance>> extend(InstanceId id, bus::Actor actor);
  /// Begins to stop; completes once that is on disk. `cause` is user, admin, expiry, abuse or engine-loss.
  asio::awaitable<Result<Instance>> stop(InstanceId id, std::string cause, bus::Actor actor);

  /// Freezes the machines of a running instance; the lease goes on (row 1.15). Nothing to do: success.
  asio::awaitable<Result<>> pause(InstanceId id);
  /// Thaws them; completes when the machines run. Called for the first connection, many times at once if need be.
  asio::awaitable<Result<>> wake(InstanceId id);
  /// Keeps the instance from being paused for as long as what is returned lives, on whatever thread.
  std::shared_ptr<void> use(const InstanceId& id) const;

  /// Live instances from memory, ended ones from the store; nullopt: there is none.
  asio::awaitable<Result<std::optional<Instance>>> find(InstanceId id);
  /// Waits until the instance is running or final (or only final), at most `limit`.
  asio::awaitable<Result<std::optional<Instance>>> wait(InstanceId id, std::chrono::milliseconds limit,
                                                        bool until_final);
  LiveRef live(const InstanceId& id) const;
  std::vector<LiveRef> all_live() const;

  struct QueuePlace {
    std::size_t position = 0;  ///< from 1
    std::chrono::milliseconds eta{0};
  };
  /// Where one who waits stands, and when it will run as far as can be told (row 1.7).
  std::optional<QueuePlace> queue_place(const InstanceId& id) const;
  struct SpawnLoad {
    std::size_t limit = 0, most = 0, under_way = 0, waiting = 0;
    double per_second = 0;  ///< while all places are taken; 0: not measured yet
  };
  SpawnLoad spawn_load() const;
  std::optional<std::chrono::microseconds> usual_start(const TemplateId& tmpl) const;

  /// A template with the operator's overrides applied; errors as for `request`.
  Result<std::shared_ptr<const templates::Template>> startable(const TemplateId& id) const;
  std::shared_ptr<const templates::Template> overridden(std::shared_ptr<const templates::Template> tmpl) const;
  const Override* override_of(const TemplateId& id) const;
  asio::awaitable<Result<>> set_override(TemplateId id, Override change, bus::Actor actor);

  /// Row 1.12: removes what carries our labels but has no row, if it is older than `window`. Also run by itself.
  asio::awaitable<Result<std::size_t>> sweep(std::chrono::seconds window);

  std::vector<PoolState> pools() const;

  LabsStore& store() { return rows_; }
  const Options& options() const { return options_; }

 private:
  // admission.cpp
  Result<> admit(const identity::Principal& who, const templates::Template& tmpl) const;
  asio::awaitable<Result<>> plan(LiveRef live);
  asio::awaitable<Result<>> give_ports(Instance* instance);
  void release_ports(const Instance& instance);
  void release(Live& live);

  // queue.cpp
  bool room() const { return spawning_ < pace_.limit(); }
  void pump();
  asio::awaitable<void> leave_queue(LiveRef live);
  void note_estimate(Live& live);
  void count_places() const;
  asio::awaitable<Result<jobs::Next>> tell_queue();
  void spawn_begun(const Instance& instance);
  void spawn_done(const Instance& instance, bool success);
  asio::awaitable<void> save_pace();

  // saga.cpp
  asio::awaitable<void> spawn(LiveRef live);
  asio::awaitable<Result<>> commit_running(LiveRef live, std::chrono::microseconds took);
  asio::awaitable<Result<>> move_addresses(LiveRef live);
  asio::awaitable<Result<>> make_somewhere(LiveRef live);
  asio::awaitable<Result<>> make_all(LiveRef live);
  asio::awaitable<Result<>> make_one(LiveRef live, Step* step, Course* course);
  asio::awaitable<void> unmake(LiveRef live, InstanceState end);
  asio::awaitable<void> undo_one(LiveRef live, Step* step);
  asio::awaitable<void> note_start(TemplateId tmpl, std::chrono::microseconds usual);
  asio::awaitable<Result<>> save(LiveRef live, bus::KindRef kind, bus::Actor actor);
  asio::awaitable<void> save_surely(LiveRef live, bus::KindRef kind);
  void begin(LiveRef live, std::string what, asio::awaitable<void> work);
  asio::awaitable<void> see_through(LiveRef live, asio::awaitable<void> work);
  void spawn_ended();
  asio::awaitable<bool> engine_back(LiveRef live);

  // pool.cpp
  asio::awaitable<Result<jobs::Next>> look_at_pools();
  void tend_pools();
  void thin_out(Shelf& shelf, const templates::Template* tmpl);
  bool room_to_fill() const;
  std::shared_ptr<const templates::Template> emptiest(
      const std::map<TemplateId, std::shared_ptr<const templates::Template>>& pooled,
      std::chrono::steady_clock::time_point now) const;
  void start_fill(std::shared_ptr<const templates::Template> tmpl);
  asio::awaitable<void> fill(LiveRef live);
  void note_trouble(Shelf& shelf, const Instance& instance, const Error& error);
  asio::awaitable<void> note_event(bus::KindRef kind, Instance instance, Error error);
  asio::awaitable<Result<>> freeze(LiveRef live);
  void discard(const LiveRef& live);
  asio::awaitable<void> shelve_again(LiveRef live);

  // claim.cpp
  LiveRef take(const templates::Template& tmpl);
  Instance claimed(const Live& live, const identity::Principal& who, std::string context) const;
  asio::awaitable<Result<Instance>> claim(LiveRef live, identity::Principal who, std::string context, bus::Actor actor);
  asio::awaitable<Result<>> commit_claim(LiveRef live, Instance next, bus::Event event);
  asio::awaitable<Result<>> hand_over(LiveRef live);
  asio::awaitable<void> settle_claim(LiveRef live);
  void put_back(const LiveRef& live);

  // recovery.cpp
  asio::awaitable<Result<>> load();
  asio::awaitable<void> reattach_all();
  asio::awaitable<void> reattach(LiveRef live);
  asio::awaitable<void> mend(LiveRef live);
  asio::awaitable<Result<>> mend_once(LiveRef live);
  asio::awaitable<Result<>> hand_over_again(LiveRef live);
  asio::awaitable<void> lose(LiveRef live, std::string why);
  asio::awaitable<void> look_at_ranges();
  bool is_own_network(const engine::UsedRange& range) const;
  void on_engine_event(const engine::EngineEvent& event);

  // clock.cpp
  void declare_jobs();
  asio::awaitable<Result<>> keep_lease_ends();
  asio::awaitable<Result<jobs::Next>> end_lease(InstanceId id);
  asio::awaitable<Result<jobs::Next>> check_leases();
  asio::awaitable<Result<jobs::Next>> sweep_and_check();
  asio::awaitable<Result<jobs::Next>> measure_usage();
  asio::awaitable<void> sample(LiveRef live);

  // idle.cpp
  asio::awaitable<Result<jobs::Next>> pause_idle();
  using MachineVerb = asio::awaitable<Result<>> (engine::Engine::*)(engine::Handle);
  asio::awaitable<Result<>> each_machine(LiveRef live, MachineVerb verb, std::shared_ptr<bool> some_ended);
  asio::awaitable<Result<>> one_machine(std::string name, MachineVerb verb, std::shared_ptr<bool> some_ended);
  asio::awaitable<Result<>> tell_asleep(LiveRef live, bool asleep);
  std::optional<std::chrono::steady_clock::time_point> sleeps_at(Live& live) const;
  asio::awaitable<Result<>> put_to_sleep(LiveRef live, bool only_if_idle);
  asio::awaitable<void> doze_off(LiveRef live, bool only_if_idle, std::shared_ptr<Result<>> outcome);
  asio::awaitable<Result<>> freeze_all(LiveRef live, bool only_if_idle);
  asio::awaitable<void> rouse(LiveRef live, std::shared_ptr<Waking> waking);
  asio::awaitable<Result<>> thaw_all(LiveRef live);
  asio::awaitable<void> quiet_moment(LiveRef live);
  asio::awaitable<void> settle_sleep(LiveRef live);

  void announce(Live& live, bus::KindRef kind, const bus::Actor& actor);
  bus::Event event_of(const Instance& instance, bus::KindRef kind, bus::Actor actor) const;
  void forget(const LiveRef& live);
  void one_less(const std::string& owner);

  Options options_;
  Parts parts_;
  LabsStore rows_;
  Ownership ownership_;
  Steps steps_;
  std::optional<AddressPlan> addresses_;
  Gate gate_;
  std::unordered_set<LiveRef, ById, ById> live_;
  std::unordered_map<std::string, std::size_t> by_owner_;
  std::deque<LiveRef> queue_;
  std::size_t spawning_ = 0;
  Pace pace_;
  Pace::Known saved_pace_;
  bool pace_saving_ = false, queue_moved_ = false, queue_told_ = false;
  int quiet_turns_ = 0;
  mutable std::unordered_map<InstanceId, QueuePlace> places_;  ///< counted once for all who wait, not once for each
  mutable std::chrono::steady_clock::time_point places_at_{};
  std::map<TemplateId, std::chrono::microseconds> usual_;
  std::map<TemplateId, Override> overrides_;
  struct Overridden {
    std::shared_ptr<const templates::Template> of, changed;
  };
  mutable std::map<TemplateId, Overridden> changed_;
  std::map<TemplateId, Shelf> shelves_;
  std::chrono::steady_clock::time_point last_claim_{};
  Signal engine_changed_;
  engine::Subscription engine_news_;
  bool closing_ = false;
};

}  // namespace tiltyard::labs
