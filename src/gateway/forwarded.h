#pragma once

#include <boost/asio/ip/address.hpp>

#include <functional>
#include <string_view>

#include "gateway/head.h"

namespace tiltyard::gateway {

/// How a request has come, as machines are told. All views are of the head or the session.
struct Way {
  std::string_view peer;         ///< the address of whoever is connected to us
  std::string_view client;       ///< the player's: the peer, or whom a trusted one speaks for
  bool secure = false;           ///< the player speaks TLS
  bool trusted = false;          ///< the peer is one of server.trusted_proxies: what it says of the way is so
  bool claims = false;           ///< what the player claims of it is passed on as it is
  std::string_view called = {};  ///< the Host that the machine gets; empty: the player's
};

using IsProxy = std::function<bool(const boost::asio::ip::address&)>;

/// Fills `client` and `secure` in from what a trusted peer says in X-Forwarded-For and -Proto, or else in Forwarded
/// (RFC 7239). Addresses are believed from the right, as far as those who hand them on are trusted too; what is no
/// address leaves the peer.
void believe(const RequestHead& head, const IsProxy& is_proxy, Way& way);

/// The authority that the player has asked for, as a trusted peer says in X-Forwarded-Host, or else in Forwarded;
/// empty where it says nothing.
std::string_view forwarded_host(const RequestHead& head);

}  // namespace tiltyard::gateway
