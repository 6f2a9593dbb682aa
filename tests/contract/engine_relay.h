#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace tiltyard::engine::contract {

namespace asio = boost::asio;

/// A Unix socket between the driver and the daemon, which a test can cut: the daemon itself is never harmed.
class Relay {
 public:
  Relay(asio::any_io_executor executor, std::string path, std::string daemon);
  ~Relay();

  /// Closes every connection and the socket itself.
  void cut();
  void restore();
  /// Connections stay, bytes do not: the daemon hangs.
  void freeze(bool frozen);
  /// Forwards the next request whose first line has both words, and cuts its connection when the answer comes.
  void lose_answer(std::string method, std::string path_part);
  /// Connections made by the driver so far, and requests seen.
  int connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::engine::contract
