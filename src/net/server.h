#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/ip/address.hpp>

#include "base/result.h"
#include "net/budget.h"
#include "net/hosts.h"
#include "net/loops.h"
#include "net/router.h"

namespace tiltyard::tls {
class Context;
}

namespace tiltyard::http {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  ///< address:port, [v6]:port
  std::chrono::milliseconds head_timeout{10'000};
  std::chrono::milliseconds body_timeout{10'000};  ///< and the time that its bytes need at the least rate
  std::chrono::milliseconds idle_timeout{75'000};  ///< less as room gets short
  std::chrono::milliseconds write_timeout{30'000};
  std::size_t head_limit = 16 * 1024;    ///< bytes of request line and fields
  std::size_t max_connections = 10'000;  ///< over it, new ones are answered 503 and closed
  /// Of one client address; over it they are answered 429. Behind a proxy: its requests under way.
  std::size_t connections_per_address = 1'250;
  /// Answers that go on (event streams, followed logs, WebSockets) of one user, from wherever; over it 429.
  std::size_t streams_per_user = 128;
  std::shared_ptr<net::Budget> budget;      ///< of what connections hold in memory; null: one of their own
  std::shared_ptr<const tls::Context> tls;  ///< null: plain HTTP, and nothing is handed in
  bool tls_at_listen = false;               ///< whether `listen` speaks it too
  /// Told, on one of the net loops and at most once a minute, that connections wait because no more descriptors are to
  /// be used for them.
  std::function<void()> out_of_descriptors;
  Hosts hosts;  ///< what it is called; other requests are answered 421
};

/// Serves a Router over HTTP/1.1 (keep-alive, pipelining in order, Expect: 100-continue, HEAD, WebSocket upgrade). One
/// acceptor per net loop with SO_REUSEPORT. Security headers are on every answer.
class Server {
 public:
  Server(net::Loops& loops, const Router& router, ServerOptions options);
  ~Server();
  /// Binds and starts to accept; `address-in-use` or `invalid-address` name the address.
  Result<> start();
  std::uint16_t port() const;
  /// Takes a connection over that somebody else has accepted, on that net loop's thread: a client that speaks TLS, with
  /// what has been read of its hello. `from`: the client's address. Closed where there is no TLS, or when it stops.
  void take(std::size_t loop, int socket, const asio::ip::address& from, std::string read);
  /// Stops accepting, lets running answers finish until `grace`, then cuts them; completes when no connection is left.
  asio::awaitable<void> stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::http
