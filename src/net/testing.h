#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/loops.h"
#include "net/router.h"
#include "net/server.h"

/// What the tests of this module share: a server on a free port, a client made of a bare socket, a peer that plays a
/// script.
namespace tiltyard::http::testing {

namespace asio = boost::asio;

/// Runs a coroutine to its end on `executor`, from a thread that is no loop; what it throws comes out here.
void run(asio::any_io_executor executor, asio::awaitable<void> work);
/// Waits until `condition` holds, looking every millisecond; false after `limit`.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(10));
asio::awaitable<void> pause(std::chrono::milliseconds time);
/// Never ends unless it is cancelled.
asio::awaitable<void> hang();

/// One answer as a bare socket reads it.
struct Answer {
  int status = 0;
  std::string head, body;
  std::string field(std::string_view name) const;
};

/// A blocking socket whose reads give up after ten seconds.
class Wire {
 public:
  explicit Wire(std::uint16_t port, int receive_buffer = 0);
  explicit Wire(int connected) : fd_(connected) {}
  ~Wire();
  Wire(Wire&& other) noexcept : fd_(std::exchange(other.fd_, -1)), rest_(std::move(other.rest_)) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// False once the peer refuses to take more.
  bool send(std::string_view bytes);
  /// Reads one answer (by length, by chunks, or to the end); status 0: none came.
  Answer answer(bool to_head_request = false);
  std::string exactly(std::size_t bytes);
  /// Up to and with `mark`; what came if the mark never did.
  std::string until(std::string_view mark);
  /// All up to the end of the connection.
  std::string rest();
  /// The peer closes without another byte.
  bool ended();
  void half_close();
  void close();

 private:
  bool more();
  int fd_ = -1;
  std::string rest_;
};

/// Loops, a router and a server on a free port.
class Site {
 public:
  explicit Site(std::size_t loop_count = 2);
  ~Site();

  Route& add(std::string method, std::string pattern, Handler handler, std::size_t body_limit = 64 * 1024);
  void start(ServerOptions options = {});
  void stop(std::chrono::milliseconds grace);
  std::uint16_t port() const { return server->port(); }
  /// One request on a connection of its own.
  Answer get(const std::string& target, const std::string& fields = "");

  net::Loops loops;
  Router router;
  std::optional<Server> server;
};

/// Listens on a free port and plays one script per connection, in order, each on the same thread.
class Peer {
 public:
  using Script = std::function<void(Wire&)>;
  explicit Peer(std::vector<Script> scripts, std::string unix_path = {});
  ~Peer();
  std::uint16_t port() const { return port_; }

 private:
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::string unix_path_;
  std::thread thread_;
};

}  // namespace tiltyard::http::testing
