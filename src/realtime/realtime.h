#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "bus/kinds.h"
#include "house/routes.h"
#include "identity/identity.h"
#include "limits/limits.h"
#include "net/budget.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}

/// Rooms over Socket.IO: who may join what, what one sees at first, what one has missed, and how it reaches other
/// nodes. docs/realtime.md is what clients hold on to.
namespace tiltyard::realtime {

namespace asio = boost::asio;
namespace json = boost::json;

/// Which part of the event log a room shows.
struct LogFilter {
  std::string kinds;  ///< what the kinds' names begin with; empty: all
  std::string owner;  ///< whose; empty: everybody's
};

/// A kind of room. Clients name rooms "name" or "name:rest". All functions run on the home loop.
struct RoomKind {
  std::string name;
  std::string event;  ///< what its news is called on the wire

  /// Whether somebody may join the room that `rest` stands for: the key that tells it from others of its kind, or why
  /// not.
  std::function<asio::awaitable<Result<std::string>>(identity::Principal who, std::string rest)> admit;
  /// What one sees at first; empty: nothing.
  std::function<asio::awaitable<Result<json::value>>(std::string key)> snapshot;

  /// Rooms of things in the event log: the part of the log that is the room's history. Empty: none of it.
  std::function<LogFilter(const std::string& key)> history;
  /// The keys of the rooms that an event belongs to; asked for events of the log and for passing ones of the bus.
  std::function<std::vector<std::string>(const bus::Event&)> places;
  /// What the members of one of them are told of it; nullopt: nothing. `seq` is 0 for passing events.
  std::function<asio::awaitable<std::optional<json::object>>(bus::Event event, std::string key, long long seq)> news;

  /// Rooms of people: they see who is there, and what they say is kept.
  bool talk = false;
  /// Rooms of figures: the snapshot is taken anew at most this often while somebody looks, and sent when it has
  /// changed.
  std::chrono::milliseconds pace{0};
};

/// A capability that shows something over rooms.
class HasRooms {
 public:
  virtual ~HasRooms() = default;
  /// Asked once, when all capabilities are made and have said their routes.
  virtual std::vector<RoomKind> rooms(const house::Routes& routes) = 0;
};

struct Options {
  std::chrono::milliseconds ping_interval{25'000};
  std::chrono::milliseconds ping_timeout{20'000};
  std::size_t max_payload = 1'000'000;  ///< bytes of a message or a polling request
  std::size_t backlog = 1'048'576;      ///< bytes that may wait for one client
  std::size_t max_connections = 20'000;
  std::size_t connections_per_address = 5'000;
  std::size_t connections_per_user = 64;
  std::size_t rooms_per_connection = 64;
  std::size_t history = 500;            ///< messages kept of a room of people
  std::vector<std::string> origins;     ///< of pages that may connect beside our own
  std::shared_ptr<net::Budget> budget;  ///< of what waits for polls
  std::string prefix = "tiltyard";      ///< of channels in Redis
  Secret redis;                         ///< URL; empty: there is one node only
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What the service needs of others; all outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  bus::Bus& bus;
  identity::Service& identity;
  limits::Service& limits;
  const Clock& clock;
  const bus::Kinds& kinds;
};

std::vector<store::Migration> migrations();

/// The real-time side of the server. Lives on the home loop.
class Service {
 public:
  Service(Options options, Parts parts);
  ~Service();

  /// Before `start`.
  void add(RoomKind kind);
  /// /socket.io/
  void add_routes(house::Routes& routes);
  /// Finds where the log ends and begins to follow it.
  asio::awaitable<Result<>> start();
  /// Says good-bye to everybody; before the HTTP server stops.
  void disconnect();
  asio::awaitable<void> close();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::realtime
