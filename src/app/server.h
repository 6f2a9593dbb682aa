#pragma once

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <memory>
#include <string>

#include "app/settings.h"
#include "net/loops.h"

namespace tiltyard::app {

namespace asio = boost::asio;

/// The composition root: builds the floors from the settings, makes the capabilities on them, and starts and stops all
/// of it in order. Lives on the home loop between `start` and the end of `stop`.
class Server {
 public:
  Server(std::unique_ptr<Settings> settings, net::Loops& loops);
  ~Server();

  asio::awaitable<Result<>> start();
  /// Finishes or hands over what is under way and closes everything; at most about 8 s.
  asio::awaitable<void> stop();

  /// Everything is made and nothing started: enough to see what there is.
  asio::awaitable<Result<>> compose();
  /// What all capabilities have declared; after `compose`.
  Result<> declare_routes();
  const house::Routes& routes() const;

  std::string url() const;
  /// The same without the public name: for programs on this machine.
  std::string local_url() const;
  /// The one-time sign-in link for the first admin; empty once an admin has signed in.
  const std::string& sign_in_link() const { return sign_in_link_; }
  /// Whether another server has taken the database over while this one was cut off from it; then this one has sent
  /// itself SIGTERM.
  bool replaced() const { return replaced_; }

 private:
  struct Floors;
  Result<> open_store();
  Result<> make_engines();
  Result<> make_limits();
  asio::awaitable<Result<>> build_floors();

  std::unique_ptr<Settings> settings_;
  net::Loops& loops_;
  std::unique_ptr<Floors> floors_;
  std::string sign_in_link_;
  const std::shared_ptr<std::atomic<bool>> started_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> replaced_ = false;
};

}  // namespace tiltyard::app
