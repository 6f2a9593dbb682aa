#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/forwarded.h"
#include "gateway/head.h"

namespace tiltyard::gateway {

/// Writes the head that goes to the machine (RFC 9110 section 7.6, RFC 7239): Host as the client said it, hop-by-hop
/// fields left out, framing said anew; to Via, Forwarded and X-Forwarded-For we append. Scheme and port are what we
/// know of the connection, or what a trusted peer says; the other X-Forwarded-* and X-Real-IP are ours where the client
/// has none. With `Way::claims` all of these fields are the client's own where it has said them.
void write_request_head(const RequestHead& head, const Way& way, std::string& out);

/// What the client is told about the connection and the body.
struct AnswerShape {
  int client_minor = 1;
  bool keep_alive = true;        ///< the connection to the client stays
  bool upgraded = false;         ///< 101: Upgrade and Connection are passed on
  std::string_view called = {};  ///< by which Host the machine was asked; empty: by the player's
  std::uint16_t port = 0;        ///< of the machine
  std::int64_t hsts = 0;         ///< seconds that a browser is told to ask over TLS alone; 0: as the machine says
};

/// Writes the head that goes to the client. Chunked bodies lose their coding for HTTP/1.0 clients. Cookies lose their
/// Domain (RFC 6265, 5.2.3), so that they are this host's alone: with it, one player's page would set cookies for
/// everybody's. Those with the name of the gateway's own are left out. A Location on the host that the machine takes
/// itself for becomes a path (RFC 9110, 10.2.2), which leads to the one that the player knows.
void write_response_head(const ResponseHead& head, AnswerShape shape, std::string& out);

}  // namespace tiltyard::gateway
