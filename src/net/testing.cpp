#include "net/testing.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>

#include "net/text.h"

namespace tiltyard::http::testing {

void run(asio::any_io_executor executor, asio::awaitable<void> work) {
  asio::co_spawn(executor, std::move(work), asio::use_future).get();
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

asio::awaitable<void> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> hang() {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
}

std::string Answer::field(std::string_view name) const {
  std::string_view lines = head;
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const std::string_view line = lines.substr(0, end);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && same_text(line.substr(0, colon), name)) {
      return std::string(trim(line.substr(colon + 1)));
    }
    if (end == std::string_view::npos) break;
    lines.remove_prefix(end + 2);
  }
  return {};
}

Wire::Wire(std::uint16_t port, int receive_buffer) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("no connection");
}

Wire::~Wire() { close(); }

void Wire::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Wire::half_close() { ::shutdown(fd_, SHUT_WR); }

bool Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Wire::more() {
  pollfd waiting{fd_, POLLIN, 0};
  if (::poll(&waiting, 1, 10'000) <= 0) throw std::runtime_error("nothing came for ten seconds");
  char buffer[65536];
  const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  rest_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

std::string Wire::exactly(std::size_t bytes) {
  while (rest_.size() < bytes && more()) {}
  std::string out = rest_.substr(0, bytes);
  rest_.erase(0, bytes);
  return out;
}

std::string Wire::until(std::string_view mark) {
  std::size_t place = rest_.find(mark);
  while (place == std::string::npos && more()) place = rest_.find(mark);
  const auto size = place == std::string::npos ? rest_.size() : place + mark.size();
  std::string out = rest_.substr(0, size);
  rest_.erase(0, size);
  return out;
}

std::string Wire::rest() {
  while (more()) {}
  return std::exchange(rest_, {});
}

bool Wire::ended() { return rest_.empty() && !more(); }

Answer Wire::answer(bool to_head_request) {
  Answer out;
  out.head = until("\r\n\r\n");
  if (!out.head.starts_with("HTTP/1.1 ")) return out;
  out.status = std::stoi(out.head.substr(9, 3));
  if (to_head_request || out.status == 204 || out.status == 304 || out.status / 100 == 1) return out;
  if (out.field("Transfer-Encoding") == "chunked") {
    while (true) {
      const auto size = std::stoul(until("\r\n"), nullptr, 16);
      out.body += exactly(size);
      if (until("\r\n") != "\r\n") out.status = 0;
      if (size == 0) return out;
    }
  }
  const std::string length = out.field("Content-Length");
  out.body = length.empty() ? rest() : exactly(std::stoul(length));
  return out;
}

Site::Site(std::size_t loop_count) : loops(loop_count), router(loops.home()) {}

Site::~Site() {
  stop(std::chrono::milliseconds(0));
  loops.stop();
}

Route& Site::add(std::string method, std::string pattern, Handler handler, std::size_t body_limit) {
  router.add({std::move(method), std::move(pattern), Access::kOpen, std::move(handler), body_limit});
  return const_cast<Route&>(router.routes().back());
}

void Site::start(ServerOptions options) {
  server.emplace(loops, router, std::move(options));
  const auto started = server->start();
  if (!started) throw std::runtime_error(started.error().message);
}

void Site::stop(std::chrono::milliseconds grace) {
  if (!server) return;
  run(loops.home(), server->stop(grace));
  server.reset();
}

Answer Site::get(const std::string& target, const std::string& fields) {
  Wire wire(port());
  wire.send("GET " + target + " HTTP/1.1\r\nHost: here\r\n" + fields + "\r\n");
  return wire.answer();
}

Peer::Peer(std::vector<Script> scripts, std::string unix_path) : unix_path_(std::move(unix_path)) {
  if (unix_path_.empty()) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  } else {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    unix_path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ::unlink(unix_path_.c_str());
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ::listen(fd_, 16);
  thread_ = std::thread([fd = fd_, scripts = std::move(scripts)] {
    for (const Script& script : scripts) {
      const int connected = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (connected < 0) return;
      Wire wire(connected);
      script(wire);
    }
  });
}

Peer::~Peer() {
  ::shutdown(fd_, SHUT_RDWR);
  thread_.join();
  ::close(fd_);
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}

}  // namespace tiltyard::http::testing
