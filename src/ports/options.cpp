// What the configuration says of ports that owners open.
#include <algorithm>

#include "config/keys.h"
#include "ports/policy.h"

namespace tiltyard::ports {

namespace {

constexpr config::Form kKind{.takes = "a list of kinds of endpoints: http, tcp, udp, tls",
                             .fits = [](std::string_view text) { return endpoint_kind(text).has_value(); }};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("ports", "What owners may open of their machines while these run.")
      .texts("open", options.open, kKind,
             "As what a port of a machine may be opened: \"http\" gives it a host name at the gateway, \"tcp\" and "
             "\"udp\" "
             "a port of the gateway, \"tls\" a host name at its TLS port. A template can allow less ([open_ports]). "
             "Empty: nothing is opened, and nobody is shown "
             "which ports listen.")
      .number("max", options.max, 0, 64, "Ports of one instance that may be open at once, beside its template's own.")
      .number("max_per_owner", options.max_per_owner, 0, 10'000, "The same of all instances of one owner together.");
}

}  // namespace tiltyard::ports
