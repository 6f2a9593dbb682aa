#pragma once

#include <boost/asio/ip/address.hpp>

#include <optional>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/networks.h"

namespace tiltyard::identity {

namespace asio = boost::asio;
using net::Networks;
using net::parse_address;

/// Private, shared (RFC 6598), link-local and loopback ranges: where a hall usually is.
const std::vector<std::string>& private_ranges();

/// Who is really asking: the peer, or, as long as the peer is one of `trusted`, the address before it in
/// X-Forwarded-For or Forwarded (RFC 7239), read from the right. nullopt when a trusted proxy hands on something that
/// is no address, or both fields and they do not agree: a proxy that writes one of them hands on the other as the
/// client sent it.
std::optional<asio::ip::address> client_address(const http::Request& request, const Networks& trusted);

/// Whether somebody who is not trusted says that the request is another one's: most likely a proxy that the
/// configuration lacks.
bool comes_by_a_stranger(const http::Request& request, const Networks& trusted);

/// Whether the browser speaks TLS: to us, or to a trusted proxy that says so in X-Forwarded-Proto, or in Forwarded.
bool came_over_tls(const http::Request& request, const Networks& trusted);

}  // namespace tiltyard::identity
