#pragma once

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gateway/gateway.h"

/// Real sockets on the loopback, blocking and with time limits: what a player's program and a machine's service are.
namespace tiltyard::gateway::testing {

using namespace std::chrono_literals;

/// A connected, blocking TCP socket. Reads give up after 10 s, so that a test fails instead of hanging.
class Peer {
 public:
  Peer() = default;
  explicit Peer(int fd);
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  Peer& operator=(Peer&& other) noexcept;
  ~Peer() { close(); }

  /// `from`: the last number of 127.0.0.x, from where it comes.
  static Peer connect(std::uint16_t port, int from = 1);

  bool send(std::string_view bytes);
  /// Bytes up to and with the empty line; what came so far if the stream ends before.
  std::string read_head();
  std::string read_exactly(std::size_t size);
  /// Everything until the other side closes.
  std::string read_all();
  /// Some bytes, or an empty text at the end.
  std::string read_some();
  /// A whole answer with a Content-Length or chunked body; the body is decoded.
  struct Answer {
    int status = 0;
    std::string head, body;
  };
  Answer read_answer(bool to_head = false);
  /// The other side closes (or resets) within the time; whatever arrives before is dropped.
  bool closed_within(std::chrono::milliseconds time);
  /// The gateway cuts with a reset; a machine that has waited for 10 s ends properly.
  bool was_reset() const { return reset_; }
  void finish_writing();
  void close();
  void reset();
  int fd() const { return fd_; }

 private:
  bool fill();
  int fd_ = -1;
  bool reset_ = false;
  std::string buffer_;
};

/// A service on a port of its own; each connection is served by `serve` on a thread of its own.
class Machine {
 public:
  using Serve = std::function<void(Peer& peer)>;
  explicit Machine(Serve serve);
  ~Machine();
  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return connections_.load(); }

 private:
  void accept_all();
  Serve serve_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// Answers each request with 200 and `body`, and keeps the connection.
Machine::Serve always(std::string body);
std::string ok(std::string_view body, std::string_view fields = "");
std::string get(std::string_view host, std::string_view path = "/", std::string_view fields = "");
/// A port that nobody listens on.
std::uint16_t free_port();
std::uint16_t port_of(int fd);
int listen_on(std::uint16_t port);
/// The value of a field in a raw head; "" if it is not there.
std::string field_of(std::string_view head, std::string_view name);
std::size_t count_of(std::string_view text, std::string_view part);

/// A gateway with two loops and the domain "t.test".
class GatewayTest : public ::testing::Test {
 protected:
  explicit GatewayTest(Options options = small_options(), std::size_t loops = 2);
  ~GatewayTest() override;

  static Options small_options();
  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }
  void restart(Options options);
  void publish_http(const std::string& instance, std::uint16_t machine_port, const std::string& owner = {});
  std::uint16_t publish_tcp(const std::string& instance, std::uint16_t machine_port, const std::string& owner = {});
  void withdraw(const std::string& instance) { run(gateway_->withdraw(InstanceId(instance))); }
  Peer client(int from = 1) { return Peer::connect(gateway_->port(), from); }
  /// True as soon as `holds` does, within 30 s.
  static bool eventually(const std::function<bool()>& holds);

  net::Loops loops_;
  std::unique_ptr<Gateway> gateway_;
};

}  // namespace tiltyard::gateway::testing
