#include "net/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/gate.h"
#include "base/run_on.h"
#include "net/connection.h"
#include "net/descriptors.h"
#include "net/measures.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::http {
namespace {

using asio::ip::tcp;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// What the kernel may keep for a connection in either direction, whatever it would choose by itself.
constexpr int kKernelBuffer = 128 * 1024;
/// How many may be told at a time that there is no room for them; more are closed without a word.
constexpr std::size_t kMostToldSo = 64;
constexpr std::chrono::milliseconds kPause{100};  ///< of accepting, when something has run out
constexpr std::chrono::minutes kTellEvery{1};

std::unexpected<Error> invalid_address(const std::string& listen) {
  return fail(Code::kInvalid, "invalid-address",
              "'" + listen + "' is not an address to listen on; write it like 127.0.0.1:8000 or [::1]:8000.");
}

Result<tcp::endpoint> parse_listen(const std::string& listen) {
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) return invalid_address(listen);
  std::string_view host = std::string_view(listen).substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const char* const end = listen.data() + listen.size();
  const auto [stop, bad] = std::from_chars(listen.data() + colon + 1, end, port);
  if (bad != std::errc{} || stop != end) return invalid_address(listen);
  if (host == "localhost") host = "127.0.0.1";
  if (host == "*" || host.empty()) host = "0.0.0.0";
  error_code error;
  const auto address = asio::ip::make_address(std::string(host), error);
  if (error) return invalid_address(listen);
  return tcp::endpoint(address, port);
}

std::string text_of(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

metrics::Counter turned_away(const char* why) { return metrics::counter(measures::kTurnedAway, {why}); }

const metrics::Gauge& open_connections() {
  static const auto gauge = metrics::gauge(measures::kConnections);
  return gauge;
}

const metrics::Gauge& buffered_bytes() {
  static const auto gauge = metrics::gauge(measures::kBuffered);
  return gauge;
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  /// What belongs to one loop and is only touched there.
  struct Part {
    explicit Part(asio::any_io_executor runs_on) : executor(std::move(runs_on)), acceptor(executor), tick(executor) {}

    asio::any_io_executor executor;
    tcp::acceptor acceptor;
    asio::steady_timer tick;
    std::unordered_set<Connection*> connections;
  };

  State(net::Loops& all_loops, const Router& router, ServerOptions options)
      : loops(all_loops), shared(std::make_shared<ServerShared>(router, std::move(options))) {
    for (const auto* counter : {&full, &over_share, &short_of_descriptors}) counter->add(0);
  }

  Result<> listen();
  error_code open(Part& part, tcp::endpoint at, bool shared_port);
  static asio::awaitable<void> accept(std::shared_ptr<State> self, Part* part);
  static asio::awaitable<void> accept_some(std::shared_ptr<State> self, Part* part);
  void take_up(Part* part, tcp::socket socket);
  void take_up(Part* part, tcp::socket socket, const asio::ip::address& from, Connection::Way way, std::string read);
  bool out_of_descriptors(int descriptor);
  static asio::awaitable<void> serve(std::shared_ptr<State> self, Part* part, std::shared_ptr<Connection> connection);
  void sweep_once(Part& part);
  static asio::awaitable<void> sweep(std::shared_ptr<State> self, Part* part);
  static asio::awaitable<void> drain(std::shared_ptr<State> self, Part* part);
  static asio::awaitable<void> cut(std::shared_ptr<State> self, Part* part);

  net::Loops& loops;
  std::shared_ptr<ServerShared> shared;
  std::vector<std::unique_ptr<Part>> parts;
  Gate gate{"http"};
  std::uint16_t port = 0;
  std::atomic<std::size_t> told_so{0};                     ///< connections that are being turned away
  std::atomic<std::chrono::steady_clock::rep> told_at{0};  ///< that descriptors are short
  const metrics::Counter full = turned_away("full"), over_share = turned_away("address"),
                         short_of_descriptors = turned_away("descriptors");
};

error_code Server::State::open(Part& part, tcp::endpoint at, bool shared_port) {
  error_code error;
  part.acceptor.open(at.protocol(), error);
  if (error) return error;
  part.acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (shared_port) part.acceptor.set_option(ReusePort(true), error);
  part.acceptor.set_option(asio::socket_base::send_buffer_size(kKernelBuffer), error);
  part.acceptor.set_option(asio::socket_base::receive_buffer_size(kKernelBuffer), error);
  part.acceptor.bind(at, error);
  if (!error && shared_port) part.acceptor.listen(1024, error);
  return error;
}

Result<> Server::State::listen() {
  const std::string& text = shared->options.listen;
  auto parsed = parse_listen(text);
  if (!parsed) return fail(std::move(parsed.error()));
  tcp::endpoint at = *parsed;
  const auto refuse = [&text](const error_code& error) -> Result<> {
    if (error == asio::error::address_in_use) {
      return fail(Code::kConflict, "address-in-use", "Somebody else listens on " + text + " already.", error.message());
    }
    return fail(Code::kInvalid, "invalid-address", "Cannot listen on " + text + ": " + error.message() + ".");
  };
  if (at.port() != 0) {
    // A port shared by SO_REUSEPORT would let a second server of ours in unnoticed, so first ask for it alone.
    Part probe(loops.net(0));
    if (const error_code error = open(probe, at, false)) return refuse(error);
  }
  for (std::size_t i = 0; i < loops.size(); ++i) {
    auto& part = *parts.emplace_back(std::make_unique<Part>(loops.net(i)));
    if (const error_code error = open(part, at, true)) {
      parts.clear();
      return refuse(error);
    }
    at.port(part.acceptor.local_endpoint().port());
  }
  port = at.port();
  return {};
}

/// Whatever runs out, memory too: those that are there go on, new ones wait in the kernel's queue meanwhile, and
/// accepting goes on.
asio::awaitable<void> Server::State::accept(std::shared_ptr<State> self, Part* part) {
  bool failed = false;
  while (!self->shared->draining) {
    try {
      if (std::exchange(failed, false)) log::warn("http", "connections could not be accepted for a moment");
      co_await accept_some(self, part);
      if (!part->acceptor.is_open()) co_return;
      asio::steady_timer pause(part->executor);
      do {
        pause.expires_after(kPause);
        co_await pause.async_wait(asio::use_awaitable);
      } while (net::short_of_descriptors(net::Door::kPage));
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) co_return;
      failed = true;
    } catch (const std::exception&) { failed = true; }
  }
}

/// Completes when it is better to pause, or for good when the acceptor is closed.
asio::awaitable<void> Server::State::accept_some(std::shared_ptr<State> self, Part* part) {
  while (!self->shared->draining) {
    auto [error, socket] = co_await part->acceptor.async_accept(kTuple);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      error_code ignored;
      part->acceptor.close(ignored);
      co_return;
    }
    if (error) {
      self->out_of_descriptors(std::numeric_limits<int>::max());
      co_return;
    }
    if (self->out_of_descriptors(socket.native_handle())) co_return;
    self->take_up(part, std::move(socket));
  }
}

/// True when this one is among those that are kept back.
bool Server::State::out_of_descriptors(int descriptor) {
  if (!net::kept_back(descriptor, net::Door::kPage)) return false;
  short_of_descriptors.add();
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  auto last = told_at.load();
  if (last != 0 && now - std::chrono::steady_clock::duration(last) < kTellEvery) return true;
  if (!told_at.compare_exchange_strong(last, now.count())) return true;
  log::warn("http", "nearly all descriptors are in use; connections wait until some are free",
            {{"kept_back", std::to_string(net::reserve(net::Door::kPage))}});
  if (shared->options.out_of_descriptors) shared->options.out_of_descriptors();
  return true;
}

void Server::State::take_up(Part* part, tcp::socket socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto remote = socket.remote_endpoint(ignored);
  if (ignored) return;
  const auto way = shared->options.tls_at_listen ? Connection::Way::kTls : Connection::Way::kPlain;
  take_up(part, std::move(socket), remote.address(), way, {});
}

void Server::State::take_up(Part* part, tcp::socket socket, const asio::ip::address& from, Connection::Way way,
                            std::string read) {
  const auto& callers = shared->router.callers();
  Peer peer;
  peer.address = text_of(from);
  peer.holder = net::holder_of(from);
  peer.speaks_for_many = callers.proxy && callers.proxy(from);
  peer.place = peer.speaks_for_many ? shared->places.take_for_many() : shared->places.take(peer.holder);
  if (!peer.place) {
    (shared->places.full() ? full : over_share).add();
    if (told_so.load() >= kMostToldSo) return;
  }
  auto connection =
      std::make_shared<Connection>(shared, Transport::Socket(std::move(socket)), std::move(peer), way, std::move(read));
  auto work = serve(shared_from_this(), part, std::move(connection));
  gate.spawn(part->executor, "connection", std::move(work));
}

asio::awaitable<void> Server::State::serve(std::shared_ptr<State> self, Part* part,
                                           std::shared_ptr<Connection> connection) {
  struct Entry {
    State& state;
    Part& part;
    Connection& connection;
    Entry(State& s, Part& p, Connection& c) : state(s), part(p), connection(c) {
      part.connections.insert(&connection);
      count(1);
    }
    ~Entry() {
      part.connections.erase(&connection);
      count(-1);
    }
    void count(int by) {
      const auto open =
          state.shared->connections.fetch_add(static_cast<std::size_t>(by)) + static_cast<std::size_t>(by);
      open_connections().set(static_cast<double>(open));
      if (!connection.welcome()) state.told_so.fetch_add(static_cast<std::size_t>(by));
    }
  };
  const Entry entry(*self, *part, *connection);
  auto work = connection->welcome() ? connection->run() : connection->turn_away();
  co_await asio::co_spawn(part->executor, std::move(work),
                          asio::bind_cancellation_slot(connection->cancel_slot(), asio::use_awaitable));
}

void Server::State::sweep_once(Part& part) {
  const auto now = std::chrono::steady_clock::now();
  const Pressure pressure{shared->places.load(), shared->budget->load()};
  buffered_bytes().set(static_cast<double>(shared->budget->used()));
  // What a sweep does only posts completions, so nobody leaves the set meanwhile.
  for (Connection* connection : part.connections) connection->sweep(now, pressure);
}

asio::awaitable<void> Server::State::sweep(std::shared_ptr<State> self, Part* part) {
  const ServerOptions& options = self->shared->options;
  const auto shortest = std::min({options.head_timeout, options.body_timeout, options.idle_timeout});
  const auto period = std::clamp(shortest / 8, std::chrono::milliseconds(10), std::chrono::milliseconds(500));
  bool failed = false;
  while (true) {
    try {
      if (std::exchange(failed, false)) log::warn("http", "connections could not be looked through");
      part->tick.expires_after(period);
      co_await part->tick.async_wait(asio::use_awaitable);
      self->sweep_once(*part);
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) co_return;
      failed = true;
    } catch (const std::exception&) { failed = true; }
  }
}

asio::awaitable<void> Server::State::drain(std::shared_ptr<State> self, Part* part) {
  error_code ignored;
  part->acceptor.close(ignored);
  const std::vector<Connection*> all(part->connections.begin(), part->connections.end());
  for (Connection* connection : all) connection->drain();
  co_return;
}

asio::awaitable<void> Server::State::cut(std::shared_ptr<State> self, Part* part) {
  const std::vector<Connection*> all(part->connections.begin(), part->connections.end());
  for (Connection* connection : all) connection->cut();
  co_return;
}

Server::Server(net::Loops& loops, const Router& router, ServerOptions options)
    : state_(std::make_shared<State>(loops, router, std::move(options))) {}

Server::~Server() = default;

Result<> Server::start() {
  State& state = *state_;
  if (auto listening = state.listen(); !listening) return listening;
  for (const auto& part : state.parts) {
    state.gate.spawn(part->executor, "accept", State::accept(state_, part.get()));
    state.gate.spawn(part->executor, "sweep", State::sweep(state_, part.get()));
  }
  return {};
}

std::uint16_t Server::port() const { return state_->port; }

void Server::take(std::size_t loop, int socket, const asio::ip::address& from, std::string read) {
  State& state = *state_;
  auto& part = *state.parts.at(loop);
  tcp::socket taken(part.executor);
  error_code error;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size);
  taken.assign(own.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket, error);
  if (error) ::close(socket);
  else if (state.shared->options.tls && !state.shared->draining)
    state.take_up(&part, std::move(taken), from, Connection::Way::kTls, std::move(read));
}

asio::awaitable<void> Server::stop(std::chrono::milliseconds grace) {
  const auto state = state_;
  state->shared->draining = true;
  for (const auto& part : state->parts) {
    auto work = State::drain(state, part.get());
    co_await run_on(part->executor, std::move(work));
  }
  const auto until = std::chrono::steady_clock::now() + grace;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (state->shared->connections.load() > 0 && std::chrono::steady_clock::now() < until) {
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
  }
  for (const auto& part : state->parts) {
    auto work = State::cut(state, part.get());
    co_await run_on(part->executor, std::move(work));
  }
  co_await state->gate.close();
}

}  // namespace tiltyard::http
