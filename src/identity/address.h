#pragma once

#include <boost/asio/ip/address.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace tiltyard::identity {

namespace asio = boost::asio;

/// A set of address ranges. IPv4 and its IPv6-mapped form are the same address.
class Networks {
 public:
  /// Reads CIDRs and single addresses; `invalid-network` names the one that is neither.
  static Result<Networks> parse(const std::vector<std::string>& ranges);
  bool contains(const asio::ip::address& address) const;

 private:
  struct Range {
    std::array<unsigned char, 16> prefix{};
    int bits = 0;  ///< of the 128
  };
  std::vector<Range> ranges_;
};

/// Private, shared (RFC 6598), link-local and loopback ranges: where a hall usually is.
const std::vector<std::string>& private_ranges();

/// Reads an address; IPv6-mapped IPv4 becomes IPv4, a zone is dropped. nullopt: not an address.
std::optional<asio::ip::address> parse_address(std::string_view text);

/// Who is really asking: the peer, or, as long as the peer is one of `trusted`, the address before it in
/// X-Forwarded-For or Forwarded (RFC 7239), read from the right. nullopt when a trusted proxy hands on something that
/// is no address, or both fields and they do not agree: a proxy that writes one of them hands on the other as the
/// client sent it.
std::optional<asio::ip::address> client_address(const http::Request& request, const Networks& trusted);

/// Whether the browser speaks TLS: to us, or to a trusted proxy that says so in X-Forwarded-Proto, or in Forwarded.
bool came_over_tls(const http::Request& request, const Networks& trusted);

}  // namespace tiltyard::identity
