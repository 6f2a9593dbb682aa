#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/gate.h"
#include "base/result.h"
#include "realtime/heartbeat.h"
#include "realtime/socket_packet.h"

/// Socket.IO 5: namespaces, events and acknowledgements over whatever carries messages. Knows nothing of transports
/// below it, nor of rooms and rights above it. Home loop only.
namespace tiltyard::realtime::socket_io {

namespace asio = boost::asio;

class Client;

/// A client in one namespace.
class Socket : public std::enable_shared_from_this<Socket> {
 public:
  Socket(std::shared_ptr<Client> client, std::string name_space, Opaque greeting);

  const std::string& id() const { return id_; }
  const std::string& name_space() const { return name_space_; }
  Channel& channel() const;
  /// What is known of the client since its handshake.
  const Opaque& greeting() const { return greeting_; }
  bool connected() const { return connected_; }

  /// `arguments.values` begins with the event's name.
  void emit(Arguments arguments);
  /// The same, answered by the client's acknowledgement; `no-answer` when none comes within `limit`.
  asio::awaitable<Result<Arguments>> ask(Arguments arguments, std::chrono::milliseconds limit);
  /// Takes the client out of the namespace; the connection stays.
  void disconnect();

 private:
  friend class Client;
  struct Question;

  std::weak_ptr<Client> client_;
  const std::string id_;
  const std::string name_space_;
  Opaque greeting_;
  std::unique_ptr<std::map<std::uint64_t, Question*>> questions_;
  std::uint64_t asked_ = 0;
  bool connected_ = false;
};
using SocketRef = std::shared_ptr<Socket>;

struct Event {
  std::string name;
  Arguments arguments;  ///< without the name
  /// Answers the client if it wants an answer; once.
  std::function<void(Arguments)> acknowledge;
};

/// What a namespace means.
class Namespace {
 public:
  virtual ~Namespace() = default;
  /// Whether a client may come in. What is returned goes to it beside its `sid`; an error's reason and message tell it
  /// why not.
  virtual asio::awaitable<Result<json::object>> admit(SocketRef socket, json::object auth) = 0;
  /// Right after the client was told that it is in, before anything else can happen.
  virtual void on_connected(SocketRef socket) = 0;
  /// One after the other, for each client.
  virtual asio::awaitable<void> on_event(SocketRef socket, Event event) = 0;
  virtual void on_gone(SocketRef socket, std::string_view reason) = 0;
};

struct Options {
  std::chrono::milliseconds connect_timeout{45'000};  ///< for the first namespace
  std::size_t inbox = 10'000;                         ///< packets of a client that may wait for their turn
  std::size_t inbox_bytes = 2'000'000;                ///< and what they may have been on the wire together
  std::size_t knocks = 5;                             ///< tries to get in before the connection ends
  std::size_t namespaces = 8;                         ///< that one client may be in
};

class Server {
 public:
  Server(asio::any_io_executor home, Options options);
  ~Server();

  /// `name` begins with a slash; the namespace outlives the server.
  void add(std::string name, Namespace& meaning);
  /// Takes a new connection up.
  std::shared_ptr<ChannelUser> accept(ChannelRef channel, Opaque greeting);
  /// Waits for the events at hand.
  asio::awaitable<void> close();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::realtime::socket_io
