#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "net/budget.h"
#include "net/parse.h"
#include "net/router.h"
#include "net/server.h"
#include "net/shares.h"
#include "net/transport.h"

namespace tiltyard::http {

/// What all connections of a server share; read-only but for the counters.
struct ServerShared {
  ServerShared(const Router& routes, ServerOptions settings)
      : router(routes),
        options(std::move(settings)),
        budget(options.budget ? options.budget : std::make_shared<net::Budget>()),
        places(options.connections_per_address, options.max_connections),
        requests(options.connections_per_address, net::Shares::kUnlimited),
        streams(options.streams_per_user, net::Shares::kUnlimited) {}

  const Router& router;
  const ServerOptions options;
  const std::shared_ptr<net::Budget> budget;
  net::Shares places;    ///< of connections
  net::Shares requests;  ///< under way, of those for whom proxies speak
  net::Shares streams;   ///< answers that go on, of users
  std::atomic<std::size_t> connections{0};
  std::atomic<bool> draining{false};
};

/// Where a connection comes from, and its place among all of them; without one it is turned away.
struct Peer {
  std::string address;
  net::Holder holder = 0;
  net::Shares::Hold place;
  bool speaks_for_many = false;  ///< a proxy
};

/// How short of room a loop's connections are, as its sweep has found it.
struct Pressure {
  double places = 0, memory = 0;  ///< 0 to 1
};

/// One connection of a client, from accept to close. Lives on one net loop; its deadlines are enforced by the loop's
/// sweep, which is cheaper than a timer for each read.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Way { kPlain, kTls };

  /// `read`: what has been read of it already.
  Connection(std::shared_ptr<ServerShared> shared, Transport::Socket socket, Peer peer, Way way, std::string read);
  ~Connection();

  asio::awaitable<void> run();
  /// Over the limit of connections: says so and closes.
  asio::awaitable<void> turn_away();
  bool welcome() const { return static_cast<bool>(peer_.place); }

  /// Called by the sweep: gives up what is overdue, streams whose reader has gone, and, as room gets short, who waits
  /// longest.
  void sweep(TimePoint now, Pressure pressure);
  /// The server is stopping: a connection that waits for its next request, or whose answer never ends, closes now.
  void drain();
  /// Ends it whatever it does.
  void cut();
  /// Where `cut` reaches the coroutine that runs this connection.
  asio::cancellation_slot cancel_slot() { return cancel_.slot(); }

  asio::any_io_executor executor() { return transport_->executor(); }
  /// A piece of a streaming answer; on this connection's loop.
  static asio::awaitable<Result<>> write_piece(std::shared_ptr<Connection> self, std::string bytes);

 private:
  struct Plan;

  asio::awaitable<bool> start_tls();
  asio::awaitable<bool> read_more(TimePoint deadline);
  asio::awaitable<bool> read_head(RequestReader& reader);
  asio::awaitable<bool> read_body(RequestReader& reader, std::size_t limit);
  asio::awaitable<bool> let_body_in(RequestReader& reader, Visit* visit);
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> serve(RequestReader& reader);
  asio::awaitable<void> answer_early(Visit* visit, Request* request);
  asio::awaitable<bool> send(const Plan& plan, Response response);
  asio::awaitable<bool> send_stream(const Plan& plan, Response response);
  asio::awaitable<bool> send_websocket(const Plan& plan, Response response);
  asio::awaitable<void> refuse(int status, std::string reason, std::string detail);
  asio::awaitable<void> refuse(Error error);
  asio::awaitable<void> say(Response response);
  bool overstays(TimePoint now, Pressure pressure) const;
  bool hold(std::size_t bytes);
  enum class What { kBody, kAnswer };
  void count_for(const Visit& visit, What what);
  net::Shares::Hold stream_of(const Visit& visit, Response& response);
  std::string_view user_of(const Visit& visit) const;
  std::optional<net::Shares::Hold> share_behind_proxy(const Request& request);
  asio::awaitable<bool> write(std::string bytes);
  asio::awaitable<void> linger();
  Result<> prepare(Request& request) const;
  void feed(RequestReader& reader);

  std::shared_ptr<ServerShared> shared_;
  std::shared_ptr<Transport> transport_;
  const Peer peer_;
  const Way way_;
  std::string input_;  ///< read, not yet used
  TimePoint deadline_ = TimePoint::max();
  TimePoint held_since_{};            ///< more than the first piece of memory
  std::string trace_id_;              ///< of the request at hand
  asio::cancellation_signal cancel_;  ///< reaches `run`, and through it the handler or stream it waits for
  bool expired_ = false;              ///< the deadline of the pending read or write has passed
  bool cut_ = false;
  bool waiting_ = false;    ///< for the first byte of a request
  bool streaming_ = false;  ///< an answer of unknown length is under way
  bool endless_ = false;    ///< and it does not end by itself (events, WebSocket)
  bool chunked_ = false;
};

}  // namespace tiltyard::http
