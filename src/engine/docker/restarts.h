#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/gate.h"
#include "base/parallel.h"
#include "engine/engine.h"
#include "engine/restart.h"

namespace tiltyard::engine::docker {

/// Whether a machine with this policy ("always", "on-failure:3", …) goes on after it ended so, `times` times already.
bool goes_on(std::string_view policy, int exit_code, int times);
/// How long it waits until then: 100 ms, twice as long each time, a minute at most.
std::chrono::milliseconds restart_pause(int times);

/// Starts machines again that ended, as Docker's restart policies do. The engine itself is told to start nothing: it
/// would at boot, before anybody has seen to the firewall. Keeps what is under way for machines with a policy alone.
/// Belongs to one loop.
class Restarts {
 public:
  using Start = std::function<asio::awaitable<Result<>>(Handle)>;
  Restarts(asio::any_io_executor executor, Start start);

  /// To be told before anybody else is, so that a machine that will go on is never seen as one that has ended.
  void heard(const EngineEvent& event);
  /// Somebody ends this machine, or has started it: what was under way is not.
  void ended_by_us(const std::string& machine);
  void started_by_us(const std::string& machine);
  void gone(const std::string& machine);
  bool under_way(const std::string& machine) const;
  asio::awaitable<void> close();

 private:
  struct One {
    int times = 0;
    bool waits = false;
    std::uint64_t turn = 0;
    std::chrono::steady_clock::time_point started{};
  };
  asio::awaitable<void> again(std::string machine, std::uint64_t turn, std::chrono::milliseconds pause);

  asio::any_io_executor executor_;
  Start start_;
  std::map<std::string, One> ones_;
  std::set<std::string> ended_;  ///< by us
  std::uint64_t turns_ = 0;
  Signal closing_;
  Gate gate_{"restarts"};
};

}  // namespace tiltyard::engine::docker
