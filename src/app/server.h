#pragma once

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <memory>
#include <string>

#include "base/id.h"
#include "config/settings.h"
#include "net/loops.h"

namespace tiltyard::app {

namespace asio = boost::asio;

/// The composition root: builds every part from the settings, connects them, starts and stops them in order. The only
/// place that knows all. Lives on the home loop between `start` and the end of `stop`.
class Server {
 public:
  Server(config::Settings settings, net::Loops& loops);
  ~Server();

  asio::awaitable<Result<>> start();
  /// Finishes or hands over what is under way and closes everything; at most about 8 s.
  asio::awaitable<void> stop();

  std::string url() const;
  /// The same without the public name: for programs on this machine.
  std::string local_url() const;
  /// The one-time sign-in link for the first admin; empty once an admin has signed in.
  const std::string& sign_in_link() const { return sign_in_link_; }
  /// Whether another server has taken the database over while this one was cut off from it; then this one has sent
  /// itself SIGTERM.
  bool replaced() const { return replaced_; }

 private:
  struct Parts;
  Result<> open_store();
  Result<> make_engine();
  asio::awaitable<Result<>> make_limits();
  void make_services();
  void make_routes();
  asio::awaitable<void> stop_instances_of(UserId user);

  config::Settings settings_;
  net::Loops& loops_;
  std::unique_ptr<Parts> parts_;
  std::string sign_in_link_;
  std::atomic<bool> replaced_ = false;
};

}  // namespace tiltyard::app
