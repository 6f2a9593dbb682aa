#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/upstream.h"

/// The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what stands before all else on a connection
/// that somebody hands on, and says whose it is.
namespace tiltyard::gateway {

/// More than any header has that is sent for what is known here: 16 bytes, the addresses, and TLVs.
constexpr std::size_t kMostProxyHeader = 4096;

struct ProxyHeader {
  /// Of the player, and where they connected to. Of size 0 where the sender speaks for itself (LOCAL) or does not know
  /// (UNKNOWN, and Unix sockets): then the connection's own addresses hold.
  SocketAddress from, to;
  bool secure = false;  ///< the player speaks TLS to the sender (version 2, PP2_TYPE_SSL)
};

struct ProxyHeaderEnd {
  enum class State : std::uint8_t { kMore, kWhole, kBroken };
  State state = State::kMore;
  std::size_t size = 0;  ///< of a whole one; what follows is the player's
};

/// Looks whether `bytes` begin with a whole header and fills it in. Everything else than a header is kBroken as soon as
/// it is certain: one that is longer than 107 bytes (version 1) or kMostProxyHeader, for another protocol than a
/// stream, or with a wrong checksum.
ProxyHeaderEnd read_proxy_header(std::string_view bytes, ProxyHeader& header);

/// What a machine is told. Version 1 has the addresses alone; in both, addresses of two families, or none, are UNKNOWN.
struct ProxyTold {
  SocketAddress from, to;
  std::string_view instance;   ///< TLV 0xE0
  std::string_view authority;  ///< the name that was asked for (TLV 0x02); empty: none
  bool tls_ended = false;      ///< the player's TLS ended here (TLV 0x20)
};

std::string proxy_header(int version, const ProxyTold& told);

}  // namespace tiltyard::gateway
