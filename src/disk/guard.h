#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/gate.h"
#include "base/offload.h"
#include "bus/bus.h"
#include "disk/disk.h"
#include "disk/reserve.h"
#include "disk/space.h"
#include "disk/watch.h"
#include "engine/engines.h"
#include "labs/capability.h"
#include "privileged/caller.h"
#include "store/store.h"

namespace tiltyard::disk {

namespace asio = boost::asio;

/// What the guard needs of others; all outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  bus::Bus& bus;
  const Clock& clock;
  engine::Engines& engines;
  labs::Service& labs;
  Most usual;                                       ///< of a machine that does not say itself how much it may write
  std::string data;                                 ///< the data folder
  std::string database;                             ///< the folder that the database lies in; empty: on another host
  std::shared_ptr<const privileged::Caller> apart;  ///< counts what machines write; null: we may look ourselves
};

/// Goes round twice a second: who writes more than they may is frozen, looked at again, and their instance is stopped
/// with the reason; and nothing new starts while little space is left. Lives on the home loop; files are looked at on a
/// thread of its own.
class Guard {
 public:
  Guard(Options options, Parts parts);

  /// `disk-low`.
  Result<> may_start() const;
  /// The first look at how much space there is; blocking, for a moment.
  void look_at_space();
  void begin();
  asio::awaitable<void> close();

 private:
  /// A machine that runs.
  struct Known {
    InstanceId instance;
    std::string engine, service;
    engine::Handle handle;
    Most most;
    bool elsewhere = false;  ///< only its engine can count what it writes
    std::chrono::steady_clock::time_point next_count{};
    std::uint64_t round = 0;  ///< when it was last seen to run
  };
  /// What a round on the other thread found.
  struct Seen {
    std::map<std::string, Space> spaces;
    std::vector<Found> found;
    bool gave = false;  ///< the reserve
  };

  asio::awaitable<void> go_round();
  asio::awaitable<void> one_round();
  std::vector<Known> changes(std::vector<std::string>* gone);
  asio::awaitable<Result<>> learn(Known machine, std::vector<Watched>* fresh);
  std::vector<std::string> places() const;
  Seen look_around(const std::vector<std::string>& gone, std::vector<Watched> fresh,
                   const std::vector<std::string>& places);
  bool falls_fast(const std::map<std::string, Space>& spaces);
  void tend_reserve(Seen& seen);
  std::map<std::string, Space>::const_iterator least_of(const std::map<std::string, Space>& spaces) const;
  void settle(const Space& least);
  asio::awaitable<void> note_space(std::map<std::string, Space> spaces);
  asio::awaitable<void> count_elsewhere();
  asio::awaitable<Result<>> judge(std::string name);
  void condemn(const Known& machine);
  asio::awaitable<void> end_condemned();
  asio::awaitable<bool> tell(bus::KindRef kind, std::string subject, std::string owner, std::string member,
                             std::string text);

  Options options_;
  Parts parts_;
  std::uint64_t round_ = 0;
  std::unordered_map<std::string, Known> known_;  ///< by the machine's name
  std::map<InstanceId, std::string> condemned_;   ///< to be stopped, with the words for their owners
  std::optional<std::string> low_;                ///< why nothing starts
  bool low_told_ = false;                         ///< what the log says

  // Of the other thread alone:
  Watch watch_;
  Reserve reserve_;
  std::map<std::string, Space> before_;
  int alarm_ = 0;  ///< rounds that the alarm still lasts

  Gate gate_{"disk"};
  WorkerPool worker_{"disk", 1};  ///< the last member: it ends first
};

}  // namespace tiltyard::disk
