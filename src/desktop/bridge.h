#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "desktop/sign_in.h"

namespace tiltyard::desktop {

/// A screen that a machine shows.
struct Screen {
  std::string host;  ///< the machine's address
  std::uint16_t port = 0;
  Secret password;  ///< that its program asks for; empty: none
};

/// What somebody who sees a screen may do with it.
enum class Hands { kWatch, kControl };

/// One viewer of one screen: bytes from the machine's VNC server to a WebSocket and back, without anything between that
/// would keep more than one piece of them. Runs on the loop of the WebSocket's connection.
class Bridge : public std::enable_shared_from_this<Bridge> {
 public:
  Bridge(Screen screen, Hands hands) : screen_(std::move(screen)), hands_(hands) {}

  /// Until one side has gone. The close frame says why: `viewer-gone`, `desktop-ended` (the machine's side),
  /// `thrown-out`, or the reason of an error.
  asio::awaitable<void> run(std::shared_ptr<http::WebSocket> socket);
  /// From any thread, before, while and after it runs.
  void throw_out();

 private:
  using Self = std::shared_ptr<Bridge>;
  static asio::awaitable<void> run_here(Self self, std::shared_ptr<http::WebSocket> socket);
  static asio::awaitable<Result<>> connect(Self self);
  static asio::awaitable<Result<>> begin(Self self, std::shared_ptr<Viewer> viewer);
  static asio::awaitable<Result<>> to_machine(Self self, std::shared_ptr<Viewer> viewer);
  static asio::awaitable<Result<>> from_machine(Self self, std::shared_ptr<http::WebSocket> socket);
  /// The first reason counts.
  void end(std::string reason);

  Screen screen_;
  const Hands hands_;
  std::shared_ptr<http::Transport> machine_;
  std::string ending_;  ///< why it is over; empty: it is not
  std::atomic<bool> thrown_out_ = false;
  std::mutex mutex_;
  std::optional<asio::any_io_executor> loop_;  ///< under the mutex; none: it does not run yet
};

}  // namespace tiltyard::desktop
