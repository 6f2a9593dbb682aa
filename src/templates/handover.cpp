#include "templates/handover.h"

namespace tiltyard::templates {

std::optional<EndpointKind> settle_handover(const EndpointSettings& said, Problems& problems, Endpoint& made) {
  // Only who speaks HTTP has a host to be called by.
  auto kind = said.kind;
  if (!kind && (said.host || (said.client_claims && said.client_claims->value))) kind = EndpointKind::kHttp;
  if (!kind && said.tls) kind = EndpointKind::kTls;
  const bool http = kind && speaks_http(*kind);
  if (said.host && http) made.called = said.host->value;
  else if (said.host)
    problems.error(said.host->place, "host is what a page's program is asked by, and this is no endpoint of kind http");
  if (said.tls && kind == EndpointKind::kTls) made.handover.tls = said.tls->value;
  else if (said.tls)
    problems.error(said.tls->place,
                   "tls says where the TLS of an endpoint ends, and this is none of kind tls: write kind = \"tls\"");
  if (said.client_claims && said.client_claims->value && !http) {
    problems.error(said.client_claims->place,
                   "client_claims is about fields of HTTP, and this is no endpoint of kind http");
  } else if (said.client_claims) {
    made.handover.client_claims = said.client_claims->value;
  }
  if (!said.proxy_protocol) return kind;
  if (!kind) problems.error(said.proxy_protocol->place, "proxy_protocol needs a kind that is said: \"tcp\" or \"tls\"");
  else if (kind == EndpointKind::kUdp)
    problems.error(said.proxy_protocol->place,
                   "proxy_protocol is for endpoints of kind tcp and tls: a datagram is handed on as it is");
  else if (http)
    problems.error(said.proxy_protocol->place,
                   "proxy_protocol is for endpoints of kind tcp and tls: those of kind http share connections, and "
                   "their machine is told of the player in X-Forwarded-For");
  else made.handover.proxy_protocol = said.proxy_protocol->value;
  return kind;
}

}  // namespace tiltyard::templates
