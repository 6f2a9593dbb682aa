#pragma once

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/upstream.h"

namespace tiltyard::gateway {

/// A numeric IPv4 or IPv6 address (brackets allowed); `invalid-address` otherwise.
Result<SocketAddress> socket_address(std::string_view address, std::uint16_t port);
/// "address:port" or "[v6]:port".
Result<SocketAddress> parse_listen(std::string_view listen);

/// A listening socket, non-blocking. `shared`: several sockets on one port share its connections (SO_REUSEPORT).
/// `port-busy` (Conflict) if somebody has the port, `invalid-address` if the address is not ours.
Result<int> open_listener(const SocketAddress& address, bool shared);
/// A socket that datagrams for this port come to; errors as above.
Result<int> open_datagram_port(const SocketAddress& address);
std::uint16_t bound_port(int fd);
boost::asio::ip::address ip_of(const SocketAddress& address);

}  // namespace tiltyard::gateway
