#include "house/site.h"

#include "config/keys.h"

namespace tiltyard::house {

namespace form = config::form;

namespace {

constexpr config::Form kHosts{.takes = "a list of host names and addresses",
                              .fits = [](std::string_view item) { return !item.empty() && config::is_host(item); }};

}  // namespace

void declare_keys(config::Keys& keys, Site& site) {
  keys.section("server", "The page and the API.")
      .text("listen", site.listen, form::kAddress,
            "Where the page and the API are served. Port 0 takes a free one. Reach it by gateway.tls_listen, by a "
            "TLS proxy or with a certificate of its own before you listen on more than the loopback.")
      .text("public_url", site.public_url, form::kUrl,
            "The URL that people use, if it is not the address above: \"https://ctf.example\". Links are made from it.")
      .texts("hosts", site.hosts, kHosts,
             "Host names and addresses that people use for the server beside those of public_url and listen, and "
             "localhost. "
             "Requests to another host are refused: behind it may be somebody else's page.")
      .number(
          "threads", site.threads, 0, 64,
          "Event loops for connections, beside the one for everything else; 0: one per processor core. With 1 there "
          "is one thread for both.")
      .number("max_connections", site.max_connections, 16, 1'000'000,
              "Connections to the page and the API that may be open at a time, WebSockets of the page not counted.")
      .number("connections_per_address", site.connections_per_address, 1, 1'000'000,
              "How many of them one client address may have, an IPv6 /64 counting as one; behind a proxy, how many "
              "requests may be under way.")
      .bytes("buffers", site.buffers.all, 16 << 20, 1ULL << 40,
             "Memory for requests that are coming in, answers that are on their way out and messages that wait, all "
             "together.")
      .bytes("buffers_per_address", site.buffers.each_address, 1 << 20, 1ULL << 40,
             "How much of it one client address may take.")
      .bytes("buffers_per_user", site.buffers.each_user, 1 << 20, 1ULL << 40,
             "How much of it one user may take, from wherever.")
      .texts("trusted_proxies", site.trusted_proxies, form::kNetworks,
             "Addresses or networks of proxies that say who asks and how (X-Forwarded-For, -Proto and -Host, "
             "Forwarded): the server believes it, and the gateway hands it on to machines.")
      .texts("allow_targets", site.allow_targets, form::kNetworks,
             "Addresses or networks that the farm, its senders and what a sign-in provider names may be called at, "
             "although they are this host's own, link-local or of machines, and would be refused.")
      .text("tls_certificate", site.tls_certificate, form::kPath,
            "PEM file with the certificate chain; turns TLS on at `listen`, together with tls_key. Where everything "
            "comes "
            "in at gateway.tls_listen, give [certificates.NAME] instead.")
      .text("tls_key", site.tls_key, form::kPath, "PEM file with the certificate's private key.");
  keys.section("data", "The server's own files.")
      .text("path", site.data, form::kPath,
            "The folder of what the server makes itself: the admin token, flag files of instances.");
  keys.section("metrics", "What monitoring may read.")
      .secret("token", site.metrics_token, 16,
              "The bearer token that /metrics asks for. Empty: it answers on the loopback only, and to nobody once "
              "public_url or trusted_proxies is set, for a proxy on this machine comes from the loopback too.");
  keys.afterwards([&site](config::Problems& problems) {
    problems.expect(site.tls_certificate.empty() == site.tls_key.empty(),
                    "server.tls_certificate and server.tls_key belong together: give both or neither.");
  });
}

}  // namespace tiltyard::house
