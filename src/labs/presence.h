#pragma once

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "base/id.h"
#include "base/parallel.h"
#include "base/result.h"

namespace tiltyard::labs {

namespace asio = boost::asio;

/// What players do with an instance through the gateway.
struct Activity {
  bool waiting = false;                          ///< somebody waits for an answer right now
  std::chrono::steady_clock::time_point last{};  ///< the last new connection or byte
};

/// Who sees the players' traffic and can hold it back; the gateway, as the server puts it together. Empty: nobody does,
/// and nothing is ever paused by itself.
struct Presence {
  std::function<std::optional<Activity>(const InstanceId&)> activity;  ///< nullopt: not published
  std::function<asio::awaitable<Result<>>(InstanceId, bool asleep)> set_asleep;
};

/// Use of an instance that the gateway does not see: commands, terminals and logs. Touched from any loop.
struct Use {
  std::atomic<int> open{0};
  std::atomic<std::chrono::steady_clock::rep> last{0};  ///< 0: not looked at yet

  void touch() { last = std::chrono::steady_clock::now().time_since_epoch().count(); }
};

/// One wake and those who wait for it.
struct Waking {
  explicit Waking(asio::any_io_executor home) : done(home) {}
  Signal done;
  Result<> result;
};

}  // namespace tiltyard::labs
