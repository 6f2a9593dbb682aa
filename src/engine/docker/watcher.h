#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

#include "base/gate.h"
#include "engine/engine.h"

namespace tiltyard::engine::docker {

class Connection;

/// Looks after an engine's connection: keeps its event stream open, notices its death at once (the stream ends, a call
/// fails) or within `ping_every` (it hangs), and tries again every 0.1 to 2 s until it is back. Belongs to one loop.
class Watcher {
 public:
  Watcher(asio::any_io_executor executor, std::shared_ptr<Connection> connection, std::string filter,
          std::chrono::milliseconds ping_every, Subscribers::OnEvent tell);

  void run();
  asio::awaitable<void> close();

 private:
  asio::awaitable<void> follow();
  asio::awaitable<Result<>> read_events(bool again);
  asio::awaitable<void> keep_pinging();
  asio::awaitable<void> wait_for_trouble(std::chrono::milliseconds longest);
  void take_line(std::string_view line);

  asio::any_io_executor executor_;
  std::shared_ptr<Connection> connection_;
  std::string filter_;
  std::chrono::milliseconds ping_every_;
  Subscribers::OnEvent tell_;
  asio::steady_timer wake_;      ///< cancelled when a call met trouble
  asio::steady_timer cut_;       ///< cancelled to drop the event stream
  std::int64_t seen_nanos_ = 0;  ///< of the newest event that was handed on
  bool running_ = false;
  bool lost_ = false;  ///< that the engine is away has been told
  Gate gate_{"engine watcher"};
};

}  // namespace tiltyard::engine::docker
