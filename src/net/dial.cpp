#include "net/dial.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <vector>

#include "net/client.h"
#include "net/reach.h"

namespace tiltyard::http {
namespace {

using asio::ip::tcp;
constexpr auto kDialled = asio::as_tuple(asio::use_awaitable);

/// What is under way, and is ended when the time is up: the coroutine waits for nothing else.
struct Attempt {
  explicit Attempt(const asio::any_io_executor& executor) : socket(executor), resolver(executor) {}
  Transport::Socket socket;
  tcp::resolver resolver;
  bool late = false;

  void give_up() {
    late = true;
    error_code ignored;
    resolver.cancel();
    socket.close(ignored);
  }
};

using Endpoints = std::vector<Transport::Socket::endpoint_type>;

/// Adds an address that may be called; the first that may not is remembered.
void add(const Place& place, const tcp::endpoint& endpoint, Endpoints& endpoints, Result<>& refused) {
  const auto allowed = place.reach == nullptr ? Result<>() : place.reach->check(endpoint.address());
  if (allowed) endpoints.emplace_back(endpoint);
  else if (refused) refused = allowed;
}

asio::awaitable<error_code> look_up(std::shared_ptr<Attempt> attempt, const Place& place, Endpoints& endpoints,
                                    Result<>& refused) {
  error_code failure;
  const auto literal = asio::ip::make_address(place.host, failure);
  if (!failure) {
    add(place, {literal, place.port}, endpoints, refused);
    co_return failure;
  }
  auto [error, found] = co_await attempt->resolver.async_resolve(place.host, std::to_string(place.port), kDialled);
  for (const auto& entry : found) add(place, entry.endpoint(), endpoints, refused);
  co_return error;
}

}  // namespace

asio::awaitable<Result<Transport::Socket>> dial(Place place, std::chrono::steady_clock::time_point until) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto attempt = std::make_shared<Attempt>(executor);
  asio::steady_timer timer(executor, until);
  timer.async_wait([attempt](const error_code& error) {
    if (!error) attempt->give_up();
  });
  Endpoints endpoints;
  error_code failure;
  Result<> refused;
  if (!place.unix_path.empty()) endpoints.emplace_back(asio::local::stream_protocol::endpoint(place.unix_path));
  else failure = co_await look_up(attempt, place, endpoints, refused);
  if (endpoints.empty() && !refused) co_return fail(std::move(refused.error()));
  for (const auto& endpoint : endpoints) {
    if (attempt->late) break;
    error_code ignored;
    attempt->socket.close(ignored);
    auto [error] = co_await attempt->socket.async_connect(endpoint, kDialled);
    failure = error;
    if (error || attempt->late) continue;
    if (place.unix_path.empty()) attempt->socket.set_option(tcp::no_delay(true), ignored);
    co_return std::move(attempt->socket);
  }
  const auto& where = place.unix_path.empty() ? place.host : place.unix_path;
  co_return fail(attempt->late ? Code::kTimeout : Code::kUnavailable, reason::kConnectFailed,
                 "Nobody answers at " + where + ".", attempt->late ? "timed out" : failure.message());
}

}  // namespace tiltyard::http
