#include "engine_relay.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <unistd.h>

#include <set>

#include "base/parallel.h"

namespace tiltyard::engine::contract {

using Protocol = asio::local::stream_protocol;
using Socket = Protocol::socket;

namespace {

struct Pair {
  explicit Pair(asio::any_io_executor executor) : driver(executor), daemon(executor) {}
  Socket driver, daemon;
  bool doomed = false;  ///< ends when the next answer comes

  void close() {
    boost::system::error_code ignored;
    driver.close(ignored);
    daemon.close(ignored);
  }
};

void ignore_failure(const std::exception_ptr&) {}

}  // namespace

struct Relay::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor loop, std::string own, std::string target)
      : executor(loop), acceptor(loop), path(std::move(own)), daemon(std::move(target)), flowing(loop) {
    flowing.set();
  }

  void listen() {
    ::unlink(path.c_str());
    acceptor.open();
    acceptor.bind(Protocol::endpoint(path));
    acceptor.listen();
    asio::co_spawn(executor, accept(), ignore_failure);
  }
  asio::awaitable<void> accept();
  asio::awaitable<void> pump(std::shared_ptr<Pair> pair, bool upwards);
  void cut() {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    ::unlink(path.c_str());
    for (const auto& pair : pairs) pair->close();
    pairs.clear();
  }

  asio::any_io_executor executor;
  Protocol::acceptor acceptor;
  std::string path, daemon;
  std::set<std::shared_ptr<Pair>> pairs;
  Signal flowing;
  std::string method, path_part;
  int connections = 0;
};

asio::awaitable<void> Relay::State::accept() {
  const auto self = shared_from_this();
  while (acceptor.is_open()) {
    auto pair = std::make_shared<Pair>(executor);
    co_await acceptor.async_accept(pair->driver, asio::use_awaitable);
    ++connections;
    co_await pair->daemon.async_connect(Protocol::endpoint(daemon), asio::use_awaitable);
    pairs.insert(pair);
    asio::co_spawn(executor, pump(pair, true), ignore_failure);
    asio::co_spawn(executor, pump(pair, false), ignore_failure);
  }
}

asio::awaitable<void> Relay::State::pump(std::shared_ptr<Pair> pair, bool upwards) {
  const auto self = shared_from_this();
  Socket& from = upwards ? pair->driver : pair->daemon;
  Socket& to = upwards ? pair->daemon : pair->driver;
  char buffer[65536];
  while (true) {
    boost::system::error_code failed;
    const std::size_t size =
        co_await from.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, failed));
    if (failed) break;
    co_await flowing.wait();
    const std::string_view bytes(buffer, size);
    const std::string_view line = bytes.substr(0, bytes.find('\r'));
    if (upwards && !method.empty() && line.starts_with(method) && line.contains(path_part)) {
      pair->doomed = true;
      method.clear();
    } else if (!upwards && pair->doomed) {
      pair->close();
      pairs.erase(pair);
      co_return;
    }
    co_await asio::async_write(to, asio::buffer(buffer, size), asio::redirect_error(asio::use_awaitable, failed));
    if (failed) break;
  }
  // A half-close goes through: an ended input of a command is not the end of its output.
  boost::system::error_code ignored;
  to.shutdown(Socket::shutdown_send, ignored);
}

Relay::Relay(asio::any_io_executor executor, std::string path, std::string daemon)
    : state_(std::make_shared<State>(executor, std::move(path), std::move(daemon))) {
  state_->listen();
}

Relay::~Relay() { state_->cut(); }

void Relay::cut() { state_->cut(); }

void Relay::restore() {
  if (!state_->acceptor.is_open()) state_->listen();
  freeze(false);
}

void Relay::freeze(bool frozen) {
  if (frozen) state_->flowing.reset();
  else state_->flowing.set();
}

void Relay::lose_answer(std::string method, std::string path_part) {
  state_->method = std::move(method);
  state_->path_part = std::move(path_part);
}

int Relay::connections() const { return state_->connections; }

}  // namespace tiltyard::engine::contract
