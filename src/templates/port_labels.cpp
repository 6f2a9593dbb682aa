// What an image or a service says of its ports by labels: its own, or those that a reverse proxy reads.
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::string_view kOwn = "org.tiltyard.port.";

std::optional<EndpointKind> kind_named(std::string_view text) {
  if (text == "http") return EndpointKind::kHttp;
  if (text == "tcp") return EndpointKind::kTcp;
  if (text == "tls") return EndpointKind::kTls;
  return std::nullopt;
}

}  // namespace

void take_port_labels(const std::map<std::string, std::string>& labels, const std::string& service, PortKinds& out) {
  for (const auto& [name, value] : labels) {
    // "org.tiltyard.port.5000" = "tcp"
    if (name.starts_with(kOwn)) {
      const auto port = parse_port(std::string_view(name).substr(kOwn.size()));
      const auto kind = kind_named(lower(value));
      if (port && kind) out.insert_or_assign({service, *port}, *kind);
    }
    // "traefik.http.services.NAME.loadbalancer.server.port" = "5000"
    if (!name.ends_with(".loadbalancer.server.port")) continue;
    const auto port = parse_port(value);
    if (!port) continue;
    if (name.starts_with("traefik.http.services.")) out.emplace(std::pair(service, *port), EndpointKind::kHttp);
    if (name.starts_with("traefik.tcp.services.")) out.emplace(std::pair(service, *port), EndpointKind::kTcp);
  }
}

}  // namespace tiltyard::templates
