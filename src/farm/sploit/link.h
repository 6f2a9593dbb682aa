#pragma once

#include <boost/json/value.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/api.h"
#include "farm/format.h"
#include "farm/sploit/backlog.h"

namespace tiltyard::farm::sploit {

/// Whom to attack. `*` without an address stands for all at once.
struct Target {
  std::string name, address;
};

/// What the farm says of the game; immutable.
struct Game {
  std::vector<Target> teams;
  std::shared_ptr<const farm::FlagFormat> format;
  std::chrono::seconds flag_lifetime{0};
  boost::json::value flag_ids;  ///< {service: {team: [flag id, …]}}; empty when there are none
  std::string flag_ids_file;    ///< the same in a file
  bool from_memory = false;     ///< the farm is away, this is what it said in an earlier attack
};

/// The farm, from a thread of its own: looks at the game from time to time, and sends what is in the backlog as soon as
/// it is there. While the farm is away the backlog grows and the game stays as it was.
class FarmLink {
 public:
  struct Options {
    cli::Where where;
    std::string state;  ///< path without extension, for what the farm has said
    std::chrono::milliseconds refresh{60'000};
  };
  FarmLink(Options options, Backlog& backlog);
  ~FarmLink();

  /// The first look, then the thread. The farm may be away if it has been seen before. Errors: those of the calls, and
  /// `farm-config-invalid` for a flag format that we cannot read.
  Result<> open();
  std::shared_ptr<const Game> game() const;
  /// There is something in the backlog.
  void wake();

  struct Totals {
    std::uint64_t sent = 0, fresh = 0, refused = 0;
    bool away = false;
  };
  Totals totals() const;
  /// Stops looking at the game, goes on sending until the backlog is empty; true when it is.
  bool flushed();
  void close();

 private:
  Result<> look();
  Result<std::shared_ptr<const Game>> read_game(const boost::json::value& said, bool from_memory) const;
  void run();
  Result<> send_some();

  Options options_;
  Backlog& backlog_;
  std::unique_ptr<cli::Api> api_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const Game> game_;
  Totals totals_;
  bool stopping_ = false, flushing_ = false;
  std::size_t batch_;
  std::thread thread_;
};

}  // namespace tiltyard::farm::sploit
