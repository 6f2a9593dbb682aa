#include "gateway/sockets.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace tiltyard::gateway {

namespace {

constexpr int kBacklog = 4096;

std::unexpected<Error> bad_address(std::string_view text) {
  return fail(Code::kInvalid, "invalid-address", fmt::format("\"{}\" is not a numeric IPv4 or IPv6 address.", text));
}

std::unexpected<Error> socket_failure(const SocketAddress& address, int error) {
  if (error == EADDRINUSE) {
    return fail(Code::kConflict, "port-busy", fmt::format("Port {} is in use by another program.", address.port()));
  }
  if (error == EADDRNOTAVAIL)
    return fail(Code::kInvalid, "invalid-address", "The address to listen on is not one of this host.");
  return fail(Code::kUnavailable, "listen-failed", fmt::format("Port {} cannot be opened.", address.port()),
              std::strerror(error));
}

}  // namespace

Result<SocketAddress> socket_address(std::string_view address, std::uint16_t port) {
  auto bare = address;
  if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']') bare = bare.substr(1, bare.size() - 2);
  std::string text(bare);
  SocketAddress result;
  auto& v4 = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(result.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    result.size = sizeof v4;
    return result;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    result.size = sizeof v6;
    return result;
  }
  return bad_address(address);
}

Result<SocketAddress> parse_listen(std::string_view listen) {
  auto colon = listen.rfind(':');
  if (colon == std::string_view::npos) return bad_address(listen);
  auto digits = listen.substr(colon + 1);
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return bad_address(listen);
  return socket_address(listen.substr(0, colon), port);
}

Result<int> open_listener(const SocketAddress& address, bool shared) {
  int fd = ::socket(address.storage.sin6_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return socket_failure(address, errno);
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // Those who are accepted inherit it all. A peer that vanished without a word is found out even where no idle time is
  // set.
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  set_no_delay(fd);
  bound_buffers(fd);
  if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, kBacklog) != 0) {
    int error = errno;
    ::close(fd);
    return socket_failure(address, error);
  }
  return fd;
}

Result<int> open_datagram_port(const SocketAddress& address) {
  int fd = ::socket(address.storage.sin6_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return socket_failure(address, errno);
  bound_buffers(fd);
  if (::bind(fd, address.get(), address.size) != 0) {
    int error = errno;
    ::close(fd);
    return socket_failure(address, error);
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

boost::asio::ip::address ip_of(const SocketAddress& address) {
  if (address.storage.sin6_family == AF_INET6) {
    boost::asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &address.storage.sin6_addr, bytes.size());
    return boost::asio::ip::address_v6(bytes);
  }
  return boost::asio::ip::address_v4(ntohl(reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr.s_addr));
}

}  // namespace tiltyard::gateway
