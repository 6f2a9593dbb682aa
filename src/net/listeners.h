#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::net {

/// A port that somebody listens on.
struct Listener {
  std::string address;  ///< "0.0.0.0" and "::" are all
  std::uint16_t port = 0;
  bool only_v6 = false;
  std::uint32_t waiting = 0;  ///< connections that its program has not taken yet

  bool operator==(const Listener&) const = default;
};

/// What is listened on in the network namespace of this process, which nobody there notices: no connection is made.
/// nullopt: it cannot be seen. Who may enter the namespace asks sock_diag(7), in a tenth of a millisecond; others read
/// /proc/PID/net/tcp and tcp6 (proc(5)), which takes some milliseconds, as the kernel walks its table of all
/// connections of the host for it: to be asked when `tcp_sockets_of` has changed.
std::optional<std::vector<Listener>> listeners_of(std::int64_t process);

/// The same of UDP: what takes datagrams from everybody.
std::optional<std::vector<Listener>> datagram_listeners_of(std::int64_t process);

/// A socket that waits for whoever comes: a TCP listener, or a UDP socket with a port that is not connected.
struct Waiting {
  Listener at;
  bool udp = false;
  std::uint64_t inode = 0;  ///< of the socket
  std::string program;      ///< the name of a process that has it open; empty: it cannot be had

  bool operator==(const Waiting&) const = default;
};

/// As `listeners_of`, of both protocols, by port, and with the names of programs where this process may look into
/// theirs (proc(5)). Reads files for some milliseconds. At most 4,096.
std::optional<std::vector<Waiting>> waiting_in(std::int64_t process);

/// How many TCP sockets the namespace has, in some microseconds.
std::optional<int> tcp_sockets_of(std::int64_t process);

/// Whether what is sent to this IPv4 address and port comes to the listener.
bool hears(const Listener& listener, std::string_view address, std::uint16_t port);

}  // namespace tiltyard::net
