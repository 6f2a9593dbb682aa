#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "labs/live.h"
#include "labs/openings.h"
#include "labs/parts.h"
#include "labs/sessions.h"
#include "labs/start_queue.h"
#include "labs/store.h"
#include "labs/warm_pools.h"

namespace tiltyard::labs {

/// Hands out instances and takes them away again. Lives on the home loop; every call belongs there. This is the face
/// that others see; who does what stands in the parts that it puts together (README.md).
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
  /// The same, with words for its owner. `kOverDisk`: its machines are not asked to end, but killed.
  asio::awaitable<Result<Instance>> stop_because(InstanceId id, Reason reason, bus::Actor actor);

  /// Freezes the machines of a running instance; the lease goes on (row 1.15). Nothing to do: success.
  asio::awaitable<Result<>> pause(InstanceId id);
  /// Thaws them; completes when the machines run. Called for the first connection, many times at once if need be.
  asio::awaitable<Result<>> wake(InstanceId id);
  /// An endpoint more, or one of those less, of an instance that runs or sleeps (openings.h). It is in the instance's
  /// row, and ends with the instance.
  asio::awaitable<Result<PlannedEndpoint>> open_endpoint(InstanceId id, Opening wanted, bus::Actor actor);
  asio::awaitable<Result<>> close_endpoint(InstanceId id, std::string name, bus::Actor actor);
  /// Has the machines of a running instance made once more (remaking.h); begun when this completes.
  asio::awaitable<Result<>> remake(InstanceId id, bus::Actor actor);
  /// Keeps the instance from being paused for as long as what is returned lives, on whatever thread.
  std::shared_ptr<void> use(const InstanceId& id) const;

  /// Live instances from memory, ended ones from the store; nullopt: there is none.
  asio::awaitable<Result<std::optional<Instance>>> find(InstanceId id);
  /// What the owner has and had of a template, newest first, among the owner's newest 500.
  asio::awaitable<Result<std::vector<Instance>>> history(std::string owner, TemplateId tmpl);
  /// Waits until the instance is running or final (or only final), at most `limit`.
  asio::awaitable<Result<std::optional<Instance>>> wait(InstanceId id, std::chrono::milliseconds limit,
                                                        bool until_final);
  LiveRef live(const InstanceId& id) const;
  std::vector<LiveRef> all_live() const;

  /// Where one who waits stands, and when it will run as far as can be told (row 1.7).
  std::optional<QueuePlace> queue_place(const InstanceId& id) const;
  SpawnLoad spawn_load() const;
  std::optional<std::chrono::microseconds> usual_start(const TemplateId& tmpl) const;

  /// Row 1.12: removes what carries our labels but has no row, if it is older than `window`. Also run by itself.
  asio::awaitable<Result<std::size_t>> sweep(std::chrono::seconds window);

  std::vector<PoolState> pools() const;

  /// On which engine it is; of one that is not placed yet: on which it would be.
  std::string engine_name_of(const Instance& instance) const;
  /// Why nothing of a live instance can be reached or changed at present: its engine is away, or not configured.
  std::optional<Error> unreachable(const Instance& instance) const;

  /// What is open in machines, whoever has opened it.
  Sessions& sessions() { return sessions_; }

  LabsStore& store();

 private:
  struct Rooms;
  Sessions sessions_;
  std::unique_ptr<Rooms> rooms_;
};

}  // namespace tiltyard::labs
