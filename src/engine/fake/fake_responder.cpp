#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <set>

#include "engine/fake/fake_parts.h"
#include "engine/reasons.h"

namespace tiltyard::engine::fake {

namespace json = boost::json;
using asio::ip::tcp;

/// Kept alive by the coroutines that use it; these end when `close` cuts their sockets.
struct Responder::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor executor, std::string name, Labels its_labels)
      : acceptor(executor), resumed(executor), machine(std::move(name)), labels(std::move(its_labels)) {
    resumed.set();
  }

  asio::awaitable<void> accept();
  asio::awaitable<void> serve(std::shared_ptr<tcp::socket> socket);
  std::string answer(std::string_view request) const;
  void close() {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    for (const auto& socket : sockets) socket->close(ignored);
    resumed.set();
  }

  tcp::acceptor acceptor;
  std::set<std::shared_ptr<tcp::socket>> sockets;
  Signal resumed;
  std::string machine;
  Labels labels;
};

namespace {
void ignore_failure(const std::exception_ptr&) {}  // a peer that left, or the machine's end
}  // namespace

asio::awaitable<void> Responder::State::accept() {
  const auto self = shared_from_this();
  while (acceptor.is_open()) {
    boost::system::error_code failed;
    auto socket = std::make_shared<tcp::socket>(acceptor.get_executor());
    co_await acceptor.async_accept(*socket, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    sockets.insert(socket);
    asio::co_spawn(acceptor.get_executor(), serve(socket), ignore_failure);
  }
}

asio::awaitable<void> Responder::State::serve(std::shared_ptr<tcp::socket> socket) {
  const auto self = shared_from_this();
  std::string buffer;
  boost::system::error_code failed;
  while (!failed) {
    const std::size_t size = co_await asio::async_read_until(*socket, asio::dynamic_buffer(buffer, 65536), "\r\n\r\n",
                                                             asio::redirect_error(asio::use_awaitable, failed));
    if (failed) break;
    co_await resumed.wait();
    const std::string reply = answer(std::string_view(buffer).substr(0, size));
    // Request bodies are not read: the answer says so by closing.
    const bool has_body = !buffer.starts_with("GET ") && !buffer.starts_with("HEAD ");
    buffer.erase(0, size);
    co_await asio::async_write(*socket, asio::buffer(reply), asio::redirect_error(asio::use_awaitable, failed));
    if (has_body) break;
  }
  sockets.erase(socket);
}

std::string Responder::State::answer(std::string_view request) const {
  const auto first = request.find(' ');
  const auto second = first == std::string_view::npos ? first : request.find(' ', first + 1);
  if (second == std::string_view::npos)
    return "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  json::object its_labels;
  for (const auto& [key, value] : labels) its_labels.emplace(key, value);
  const std::string body =
      json::serialize(json::object{{"machine", machine},
                                   {"path", std::string(request.substr(first + 1, second - first - 1))},
                                   {"labels", std::move(its_labels)}});
  const bool simple = request.starts_with("GET ") || request.starts_with("HEAD ");
  std::string out =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      (simple ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  if (!request.starts_with("HEAD ")) out += body;
  return out;
}

Result<std::unique_ptr<Responder>> Responder::listen(asio::any_io_executor executor, const std::string& address,
                                                     std::uint16_t port, std::string machine, Labels labels) {
  auto state = std::make_shared<State>(executor, std::move(machine), std::move(labels));
  boost::system::error_code failed;
  const tcp::endpoint endpoint(asio::ip::make_address(address, failed), port);
  if (!failed) state->acceptor.open(endpoint.protocol(), failed);
  if (!failed) state->acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) state->acceptor.bind(endpoint, failed);
  if (!failed) state->acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) {
    return fail(Code::kConflict, reason::kAddressTaken, "Another machine has this address.",
                address + ":" + std::to_string(port) + ": " + failed.message());
  }
  asio::co_spawn(executor, state->accept(), ignore_failure);
  return std::unique_ptr<Responder>(new Responder(std::move(state)));
}

Responder::Responder(std::shared_ptr<State> state) : state_(std::move(state)) {}
Responder::~Responder() { state_->close(); }

void Responder::set_paused(bool paused) {
  if (paused) state_->resumed.reset();
  else state_->resumed.set();
}

}  // namespace tiltyard::engine::fake
