// What the configuration says of the gateway.
#include "config/keys.h"
#include "gateway/gateway.h"
#include "net/networks.h"

namespace tiltyard::gateway {

namespace form = config::form;
using namespace std::chrono_literals;

namespace {
constexpr config::Form kRegion{.takes = "1 to 16 of a-z, 0-9 and -, or nothing",
                               .fits = [](std::string_view text) { return text.empty() || config::is_name(text); }};
}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("gateway", "The way from players to their machines.")
      .text("listen", options.listen, form::kAddress,
            "Where players' HTTP traffic to their machines comes in. Port 0 takes a free one.")
      .text("tls_listen", options.tls_listen, form::kAddressOrNone,
            "Where TLS comes in: for instances by their names, and for the page by the host of server.public_url, both "
            "with the certificates that there are. Empty: nowhere. Port 0 takes a free one.")
      .flag("redirect_to_https", options.redirect_to_https,
            "Send whoever comes to `listen` to https, where `tls_listen` is set and the name has a certificate.")
      .time(
          "hsts", options.hsts, 0s, 2 * 365 * 24h,
          "How long browsers shall ask for an instance's name over https alone (Strict-Transport-Security), once they "
          "have; 0: it is the machine's own business.")
      .flag("kernel_tls", options.kernel_tls,
            "Hand the keys of a connection to the kernel where it takes them (the module tls), so that what a machine "
            "sends is not copied through the server.")
      .text("domain", options.domain, form::kHost,
            "The domain under which every HTTP endpoint has a random name: {name}.{domain}. It needs a wildcard DNS "
            "entry and "
            "must not be the server's own host, because players' machines are hostile to the page.")
      .text(
          "address_names", options.address_names, kRegion,
          "A region, such as \"eu\": published HTTP endpoints answer by the machine's address, too, at "
          "10-1-2-3.reverse-proxy-{region}.{domain} (the first of the machine) and "
          "10-1-2-3-8080.reverse-proxy-{region}.{domain}; it needs a wildcard DNS entry of its own. Such names can be "
          "guessed. Empty: off.")
      .text(
          "public_host", options.public_host, form::kHost,
          "The host that is shown for raw TCP endpoints; empty: the domain, or `tcp_address` where that is a loopback "
          "address.")
      .text("tcp_address", options.tcp_address, form::kHost,
            "The local address on which ports of raw TCP and of UDP are opened; empty: on none. Over plain HTTP it "
            "must be another one "
            "than the page's: a browser sends the page's cookie to all ports of its host.")
      .ports("ports", options.first_port, options.last_port,
             "The range of the ports of raw TCP and of UDP endpoints; the two are apart.")
      .number(
          "public_port", options.public_port, 0, 65535,
          "The port in instances' URLs, if a proxy in front of the gateway has another one; 0: as in `tls_listen`, or "
          "else in `listen`.")
      .choice("public_scheme", options.public_scheme,
              {{"auto", PublicScheme::kAuto}, {"http", PublicScheme::kHttp}, {"https", PublicScheme::kHttps}},
              "What instances' URLs begin with, and what machines are told in X-Forwarded-Proto where no trusted proxy "
              "says "
              "it: \"https\" if a proxy in front of the gateway takes the TLS off; \"auto\" is https when "
              "`public_port` is 443 or `tls_listen` is set, else http.")
      .time("idle_timeout", options.idle_timeout, 1s, 24h,
            "A connection without a byte either way is closed after this long.")
      .time("tcp_idle_timeout", options.tcp_idle_timeout, 1s, 24h,
            "A raw TCP connection without a byte either way is closed after this long.")
      .bytes("endpoint_bandwidth", options.endpoint_limits.bandwidth, 0, 1ull << 40,
             "Bytes a second that one endpoint may move, both ways together; what is more waits (UDP: is lost). 0: as "
             "many as come.")
      .number("endpoint_connections", options.endpoint_limits.connections, 0, 1'000'000,
              "Connections, or clients of UDP, that one endpoint may have at a time. 0: as many as its instance.")
      .number("endpoint_openings", options.endpoint_limits.openings, 0, 1'000'000,
              "New ones a second; a second's worth may come at once. 0: as many as come.")
      .bytes("owner_bandwidth", options.owner_limits.bandwidth, 0, 1ull << 40,
             "Bytes a second that all instances of one owner may move together. 0: as many as come.")
      .number("owner_openings", options.owner_limits.openings, 0, 1'000'000,
              "New connections a second to all instances of one owner. 0: as many as come.")
      .time("udp_idle_timeout", options.udp_idle_timeout, 1s, 24h,
            "A client of a UDP endpoint is forgotten after this long without a datagram either way; after 10 s at most "
            "where the machine has never answered it.")
      .number("max_udp_flows", options.max_udp_flows, 1, 1'000'000,
              "Clients of all UDP endpoints together, counted by address and port. When there are as many, those go "
              "first that have been silent for longest and of whom nobody knows whether they are there.")
      .number("max_udp_flows_per_address", options.max_udp_flows_per_address, 1, 1'000'000,
              "How many of them may come from one address (of IPv6: a /64).")
      .number("max_udp_flows_per_instance", options.max_udp_flows_per_instance, 1, 100'000,
              "How many clients the UDP endpoints of one instance may have.")
      .number(
          "max_connections", options.max_connections, 1, 1'000'000,
          "Connections of all players together, HTTP and raw TCP. When all are taken, those go first that have been "
          "silent for long and whose address has many.")
      .number(
          "max_connections_per_address", options.max_connections_per_address, 1, 1'000'000,
          "Connections of one address (of IPv6: a /64), such as a hall's or a school's; not of server.trusted_proxies.")
      .texts("proxy_protocol_from", options.proxy_protocol_from, form::kNetworks,
             "Addresses or networks of load balancers and proxies that hand on connections with a header of the PROXY "
             "protocol (version 1 or 2), on all of the gateway's ports. From these, one without a header is cut.")
      .number("max_connections_per_owner", options.max_connections_per_owner, 1, 1'000'000,
              "Connections to all instances of one owner.")
      .number("max_connections_per_instance", options.max_connections_per_instance, 1, 100'000,
              "Connections that one instance may have at a time.")
      .number("max_connections_per_address_and_instance", options.max_connections_per_address_and_instance, 1, 100'000,
              "How many of these one address may have, so that no rival shuts an instance's owner out.")
      .number(
          "connects_per_instance", options.connects_per_instance, 1, 100'000,
          "New connections a second to one port of a machine, in the long run; ten seconds' worth may come at once, "
          "what is more waits its turn.")
      .flag("owner_only", options.owner_only,
            "Whether endpoints of which their template says nothing are their owner's alone (docs/doors.md): HTTP by "
            "the session on the page, raw TCP by the address that it is used from, or by a token. It holds for what is "
            "started or published anew afterwards.")
      .time("owner_address_ttl", options.owner_address_ttl, 1min, 24h,
            "How long an owner's address opens raw TCP endpoints after it last used the page or the API.");
  keys.afterwards([&options](config::Problems& problems) {
    options.public_tls =
        options.public_scheme == PublicScheme::kHttps ||
        (options.public_scheme == PublicScheme::kAuto && (options.public_port == 443 || !options.tls_listen.empty()));
    if (auto networks = net::Networks::parse(options.proxy_protocol_from);
        networks && !options.proxy_protocol_from.empty()) {
      options.hands_on = [networks = std::move(*networks)](const boost::asio::ip::address& peer) {
        return networks.contains(peer);
      };
    }
    problems.expect(!options.domain.empty(), "gateway.domain is empty.");
    problems.expect(options.tcp_address.empty() || config::is_ip(options.tcp_address),
                    "gateway.tcp_address is not an address of this host.");
  });
}

std::string tcp_host(const Options& options) {
  if (!options.public_host.empty()) return options.public_host;
  const bool here = options.tcp_address.starts_with("127.") || options.tcp_address == "::1";
  return here ? options.tcp_address : options.domain;
}

}  // namespace tiltyard::gateway
