#include "gateway/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <random>

namespace tiltyard::gateway::testing {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Peer::Peer(int fd) : fd_(fd) {
  timeval limit{10, 0};
  int on = 1;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Peer& Peer::operator=(Peer&& other) noexcept {
  close();
  fd_ = std::exchange(other.fd_, -1);
  buffer_ = std::move(other.buffer_);
  reset_ = other.reset_;
  return *this;
}

Peer Peer::connect(std::uint16_t port, int from) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(port), source = loopback(0);
  source.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~0xFFU) + static_cast<unsigned>(from));
  if (from != 1) ::bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return {};
  }
  return Peer(fd);
}

bool Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Peer::fill() {
  char bytes[64 * 1024];
  auto got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got < 0 && (errno == ECONNRESET || errno == EPIPE)) reset_ = true;
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::string Peer::read_head() {
  while (true) {
    auto end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) {
      auto head = buffer_.substr(0, end + 4);
      buffer_.erase(0, end + 4);
      return head;
    }
    if (!fill()) return std::exchange(buffer_, {});
  }
}

std::string Peer::read_exactly(std::size_t size) {
  while (buffer_.size() < size && fill()) {}
  auto bytes = buffer_.substr(0, size);
  buffer_.erase(0, bytes.size());
  return bytes;
}

std::string Peer::read_all() {
  while (fill()) {}
  return std::exchange(buffer_, {});
}

std::string Peer::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

Peer::Answer Peer::read_answer(bool to_head) {
  Answer answer;
  answer.head = read_head();
  if (answer.head.size() > 12) answer.status = std::atoi(answer.head.c_str() + 9);
  if (to_head || answer.status == 204 || answer.status == 304 || answer.status < 200) return answer;
  if (field_of(answer.head, "Transfer-Encoding") == "chunked") {
    while (true) {
      std::string line;
      while (!line.ends_with("\r\n")) {
        auto byte = read_exactly(1);
        if (byte.empty()) return answer;
        line += byte;
      }
      auto size = std::strtoul(line.c_str(), nullptr, 16);
      answer.body += read_exactly(size);
      read_exactly(2);
      if (size == 0) return answer;
    }
  }
  auto length = field_of(answer.head, "Content-Length");
  answer.body = length.empty() ? read_all() : read_exactly(std::strtoul(length.c_str(), nullptr, 10));
  return answer;
}

bool Peer::closed_within(std::chrono::milliseconds time) {
  auto until = std::chrono::steady_clock::now() + time;
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return false;
    if (!fill()) return true;
  }
}

void Peer::finish_writing() { ::shutdown(fd_, SHUT_WR); }

void Peer::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Peer::reset() {
  linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

Machine::Machine(Serve serve) : serve_(std::move(serve)), fd_(listen_on(0)), port_(port_of(fd_)) {
  acceptor_ = std::thread([this] { accept_all(); });
}

Machine::~Machine() {
  ending_ = true;
  ::shutdown(fd_, SHUT_RDWR);
  acceptor_.join();
  ::close(fd_);
  {
    std::lock_guard lock(mutex_);
    for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  for (int fd : open_) ::close(fd);
}

void Machine::accept_all() {
  while (!ending_) {
    int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++connections_;
    std::lock_guard lock(mutex_);
    open_.push_back(::dup(fd));  // kept so that the end can wake a thread that reads, without a race for the number
    threads_.emplace_back([this, fd] {
      Peer peer(fd);
      serve_(peer);
      peer.finish_writing();
    });
  }
}

Machine::Serve always(std::string body) {
  return [body = std::move(body)](Peer& peer) {
    while (!peer.read_head().empty() && peer.send(ok(body))) {}
  };
}

std::string ok(std::string_view body, std::string_view fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" +
         std::string(body);
}

std::string get(std::string_view host, std::string_view path, std::string_view fields) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n" + std::string(fields) + "\r\n";
}

int listen_on(std::uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto address = loopback(port);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 1024) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::uint16_t free_port() {
  std::random_device random;
  while (true) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Below the ports that the kernel gives to outgoing connections, which could take it meanwhile.
    address.sin_port = htons(static_cast<std::uint16_t>(10000 + random() % 10000));
    const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (free) return ntohs(address.sin_port);
  }
}

std::string field_of(std::string_view head, std::string_view name) {
  std::string lowered(head);
  for (char& c : lowered) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string wanted = "\r\n" + std::string(name) + ": ";
  for (char& c : wanted) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  auto begin = lowered.find(wanted);
  if (begin == std::string::npos) return {};
  begin += wanted.size();
  return std::string(head.substr(begin, head.find("\r\n", begin) - begin));
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

Options GatewayTest::small_options() {
  Options options;
  options.listen = "127.0.0.1:0";
  options.domain = "t.test";
  options.tcp_address = "127.0.0.1";
  return options;
}

GatewayTest::GatewayTest(Options options, std::size_t loops) : loops_(loops) { restart(std::move(options)); }

GatewayTest::~GatewayTest() {
  if (gateway_) run(gateway_->stop(0ms));
}

void GatewayTest::restart(Options options) {
  if (gateway_) run(gateway_->stop(0ms));
  gateway_ = std::make_unique<Gateway>(loops_, std::move(options));
  auto started = gateway_->start();
  ASSERT_TRUE(started) << started.error().message << started.error().cause;
}

void GatewayTest::publish_http(const std::string& instance, std::uint16_t machine_port, const std::string& owner) {
  Route route{EndpointKind::kHttp, "web", {instance, "web--" + instance}, 0, "127.0.0.1", machine_port};
  auto done = run(gateway_->publish(InstanceId(instance), {route}, owner));
  ASSERT_TRUE(done) << done.error().message;
}

std::uint16_t GatewayTest::publish_tcp(const std::string& instance, std::uint16_t machine_port,
                                       const std::string& owner) {
  // Another program may take the port between the look and the publication: then the next one serves.
  for (int i = 0; i < 20; ++i) {
    auto port = free_port();
    Route route{EndpointKind::kTcp, "pwn", {}, port, "127.0.0.1", machine_port};
    if (run(gateway_->publish(InstanceId(instance), {route}, owner))) return port;
  }
  ADD_FAILURE() << "no port could be opened";
  return 0;
}

bool GatewayTest::eventually(const std::function<bool()>& holds) {
  auto until = std::chrono::steady_clock::now() + 30s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

}  // namespace tiltyard::gateway::testing
