#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"

namespace tiltyard::templates {

namespace asio = boost::asio;

/// What changed below the folder of templates.
struct Changes {
  std::set<std::string> folders;  ///< names of template folders: changed, new or gone
  bool all = false;               ///< too much happened at once to say what
};

/// Watches the folder of template folders and everything below with inotify, also what editors do: write beside,
/// rename, replace. Belongs to one loop.
class Watcher {
 public:
  explicit Watcher(asio::any_io_executor executor);
  ~Watcher();

  /// Starts to watch; what happens from here on is told by `next`. `watch-failed`: inotify's own limits.
  Result<> start(const std::string& root);
  /// Waits for a change, and then until nothing more happened for `quiet` (at most ten times as long), so that saving a
  /// whole folder is one change. Ends with an exception when it is cancelled.
  asio::awaitable<Changes> next(std::chrono::milliseconds quiet);
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::templates
