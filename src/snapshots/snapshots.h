#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/gate.h"
#include "base/parallel.h"
#include "bus/bus.h"
#include "engine/engines.h"
#include "engine/snapshots.h"
#include "jobs/jobs.h"
#include "labs/labs.h"
#include "labs/model.h"
#include "store/store.h"

namespace tiltyard::labs {
class Service;
}

/// Machines' file systems, kept as they were (row 1.15). docs/snapshots.md says what people see of it.
namespace tiltyard::snapshots {

namespace asio = boost::asio;

struct Options {
  std::size_t per_instance = 3;      ///< 0: nobody takes any
  std::uint64_t bytes = 4ULL << 30;  ///< of all snapshots of an instance together
  std::size_t exports_at_once = 4;   ///< of everybody together
};

/// One machine's part of a snapshot.
struct Part {
  std::string machine;     ///< service
  std::int64_t bytes = 0;  ///< of the machine's own layer
  std::string files;       ///< names what an export gives, byte for byte
};

/// Half-made and half-removed ones are not shown; the sweep completes what they were on their way to, which is nothing.
enum class State { kTaking, kReady, kLeaving };

struct Snapshot {
  std::string id;
  InstanceId instance;
  std::string engine;
  std::string name;  ///< as people call it; one of its instance has it
  State state = State::kTaking;
  std::string taken_by;
  TimePoint created_at{};
  std::vector<Part> parts;

  std::int64_t bytes() const;
};

/// That an instance's machines are made of a snapshot. Its images have names of their own, so that the snapshot may go
/// before the machines do.
struct Use {
  std::string id;
  InstanceId instance;
  std::string engine, snapshot;
  std::vector<std::string> machines;
  bool pending = true;  ///< machines that have run are still to give way
  TimePoint created_at{};
};

std::vector<store::Migration> migrations();

/// The SQL of snapshots.
class SnapshotStore {
 public:
  explicit SnapshotStore(store::Store& store) : store_(store) {}
  asio::awaitable<Result<std::vector<Snapshot>>> all();
  /// The whole row anew.
  asio::awaitable<Result<>> put(Snapshot snapshot, std::optional<bus::Event> event);
  asio::awaitable<Result<>> drop(std::string id, std::optional<bus::Event> event);
  asio::awaitable<Result<>> note(bus::Event event);
  asio::awaitable<Result<std::vector<Use>>> uses();
  asio::awaitable<Result<>> put(Use use, std::optional<bus::Event> event);
  asio::awaitable<Result<>> drop_use(std::string id);

 private:
  store::Store& store_;
};

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
  jobs::Service& jobs;
  engine::Engines& engines;
  labs::Service& labs;
};

/// What an export gives, piece by piece; an empty piece is the end.
using Pieces = std::function<asio::awaitable<Result<std::string>>()>;

struct Export {
  std::string machine, files;
  Pieces pieces;
};

/// Snapshots. Each has a row before anything of it is on an engine, and loses it after all of it is gone: whatever
/// a crash leaves is found by its name. Images that no row knows are removed. Lives on the home loop.
class Service {
 public:
  Service(Options options, Parts parts);

  void declare_jobs();
  /// Reads the rows, if that has not happened yet: others may ask before it is this capability's turn to start.
  asio::awaitable<Result<>> start();
  asio::awaitable<void> close();

  /// Oldest first; those that are whole.
  std::vector<Snapshot> of(const InstanceId& instance) const;
  /// By its id or its name. `snapshot-unknown`.
  Result<Snapshot> find(const InstanceId& instance, const std::string& which) const;
  /// `instance-not-running`, `snapshot-exists`, `snapshots-full`, `snapshots-too-large`, `snapshot-incomplete`,
  /// `snapshot-busy`, and what the engine says. It goes on when who asked for it has gone.
  asio::awaitable<Result<Snapshot>> take(labs::Instance instance, std::string name, bus::Actor actor);
  asio::awaitable<Result<>> remove(InstanceId instance, std::string which, bus::Actor actor);
  /// The whole file system of one machine (empty: of the first) as a tar stream, from byte `from` on. `of`: what its
  /// part's `files` was when the bytes before were got (empty: whatever it is). `export-changed`, `exports-full`.
  asio::awaitable<Result<Export>> open(InstanceId instance, std::string which, std::string machine, std::uint64_t from,
                                       std::string of, bus::Actor actor);

  /// Has the machines of an instance made anew, of what the snapshot kept; it is on its way when this completes. What
  /// they have now is gone. Under the instance's names and addresses, with its lease.
  asio::awaitable<Result<>> roll_back(InstanceId instance, std::string which, bus::Actor actor);
  /// As labs::HasImages has it.
  asio::awaitable<Result<labs::MadeOf>> made_of(InstanceId instance);
  /// Its machines are made of it: nothing gives way any more, and what they were made of before may go.
  asio::awaitable<Result<>> made(InstanceId instance);

  /// Removes all of an instance whose machines are gone.
  asio::awaitable<Result<>> let_go(InstanceId instance);
  /// Lays rows and engines side by side. How many images nobody knew.
  asio::awaitable<Result<std::size_t>> sweep();

 private:
  struct Turn;
  asio::awaitable<Result<jobs::Next>> sweep_by_time();
  struct Outcome;
  using SnapshotRef = std::shared_ptr<Snapshot>;

  asio::awaitable<Result<>> to_the_end(std::string what, asio::awaitable<Result<>> work);
  Result<std::shared_ptr<Turn>> turn(const InstanceId& instance);
  asio::awaitable<Result<>> whole(labs::Instance instance);
  asio::awaitable<Result<>> make(SnapshotRef one, labs::Instance instance, bus::Actor actor,
                                 std::shared_ptr<Turn> turn);
  asio::awaitable<Result<>> make_images(SnapshotRef one, labs::Instance instance);
  asio::awaitable<Result<>> measure(SnapshotRef one, labs::Instance instance);
  asio::awaitable<Result<std::string>> hold_files(Snapshot one, std::size_t part);
  asio::awaitable<Result<>> unmake(Snapshot one, bus::Actor actor, std::shared_ptr<Turn> turn);
  asio::awaitable<Result<>> unmake_images(Snapshot one);
  asio::awaitable<Result<>> finish_others();
  asio::awaitable<Result<>> drop_idle_uses();
  asio::awaitable<Result<>> begin_roll_back(Snapshot one, bus::Actor actor, std::shared_ptr<Turn> turn);
  asio::awaitable<Result<>> drop_use(Use use);
  std::vector<Use> uses_of(const InstanceId& instance) const;
  asio::awaitable<Result<std::size_t>> sweep_one(std::string engine);
  bus::Event event_of(const Snapshot& one, bus::KindRef kind, bus::Actor actor) const;
  void count() const;

  Options options_;
  Parts parts_;
  SnapshotStore rows_;
  bool loaded_ = false, look_again_ = false;
  std::map<std::string, Snapshot> all_;
  std::map<std::string, Use> uses_;
  std::set<InstanceId> busy_;
  std::shared_ptr<std::size_t> exports_ = std::make_shared<std::size_t>(0);
  Signal changed_;
  Gate gate_{"snapshots"};
};

}  // namespace tiltyard::snapshots
