#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "house/routes.h"
#include "net/budget.h"
#include "realtime/channel.h"

/// Engine.IO 4: sessions over long polling and WebSocket (socketio/socket.io, docs/engine.io-protocol/v4-current.md).
/// Knows nothing of what the messages mean.
namespace tiltyard::realtime::engine_io {

namespace asio = boost::asio;

struct Options {
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  std::chrono::milliseconds upgrade_timeout{10'000};  ///< from the probe to the upgrade
  std::size_t max_payload = 1'000'000;                ///< bytes of one message or one polling request
  /// The same for a client that has not shown who it is: enough for a token.
  std::size_t strangers_payload = 4'096;
  /// What a client may say from one sign of life to the next, in the long run; what is more ends it. A stranger has
  /// nothing to say but who it is.
  std::size_t packets_per_second = 500;
  std::size_t strangers_packets = 64;
  std::size_t backlog = 1'048'576;  ///< bytes that may wait for one client
  std::size_t max_sessions = 20'000;
  /// Of one client address. A quarter of it, and half of all, for clients that have not shown who they are.
  std::size_t sessions_per_address = 5'000;
  std::shared_ptr<net::Budget> budget;  ///< of what waits for polls; null: it is not counted
  /// Origins of pages that may connect beside our own ("https://ctf.example"); "*": any.
  std::vector<std::string> origins;
};

/// What is found out of who opens a session.
struct Greeting {
  Opaque opaque;
  bool known = false;  ///< it is somebody who may come in
};

/// Who opens a session.
struct Opening {
  std::string address;  ///< of the client, behind trusted proxies
  Opaque greeting;      ///< what `greet` has found
};

class Server {
 public:
  /// Looks at the request that opens a session; an error refuses it.
  using Greet = std::function<asio::awaitable<Result<Greeting>>(http::Request)>;
  /// Gets each new session, whose messages go to what is returned.
  using Accept = std::function<std::shared_ptr<ChannelUser>(ChannelRef, Opening)>;

  Server(asio::any_io_executor home, Options options, Greet greet, Accept accept);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// GET, POST, PUT (refused as the protocol wants it) and OPTIONS of `path`.
  void add_routes(house::Routes& routes, const std::string& path);
  std::size_t sessions() const;
  /// Ends every session; new ones are refused from here on. Call before the HTTP server stops, so that no poll holds it
  /// up.
  void close();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::realtime::engine_io
