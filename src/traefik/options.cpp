// What the configuration says of the export to Traefik.
#include "traefik/options.h"

#include <algorithm>

#include "config/keys.h"

namespace tiltyard::traefik {
namespace {

namespace form = config::form;

bool plain(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= 100 && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.contains(c);
  });
}

constexpr config::Form kRoot{
    .takes = "letters, digits, - and _, with / between them",
    .fits = [](std::string_view text) { return plain(text, "-_/") && !text.starts_with('/') && !text.ends_with('/'); }};
constexpr config::Form kTheirName{.takes = "a list of names as Traefik has them, such as auth or auth@file",
                                  .fits = [](std::string_view text) { return plain(text, "-_.@"); }};
constexpr config::Form kMaybeTheirName{
    .takes = "a name as Traefik has it, or nothing",
    .fits = [](std::string_view text) { return text.empty() || plain(text, "-_.@"); }};
constexpr config::Form kMaybeAddress{
    .takes = "a host and a port, such as 10.0.0.5:8080, or nothing", .fits = [](std::string_view text) {
      if (text.empty()) return true;
      const auto colon = text.rfind(':');
      const auto port = colon == text.npos ? std::nullopt : config::parse_whole(text.substr(colon + 1));
      const auto host = text.substr(0, colon);
      return port && *port >= 1 && *port <= 65535 &&
             (config::is_host(host) || (host.starts_with('[') && host.ends_with(']')));
    }};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("traefik", "Our routes in a Redis, for a Traefik in front.")
      .secret("url", options.url, 0,
              "The Redis that Traefik's provider reads: redis://:PASSWORD@HOST:6379/2, rediss:// or unix:///PATH. Best "
              "a database of its own, since Traefik reads all of its keys at each change. Empty: nothing is exported.")
      .choice("version", options.version, {{"2", Version::kTwo}, {"3", Version::kThree}},
              "Traefik's major version: in which words rules are written.")
      .text("root", options.root, kRoot, "What all keys begin with: the provider's rootKey.")
      .text(
          "name", options.name, form::kName,
          "What our routers and services begin with (ty_NAME_): whatever else has it is removed. Servers that share a "
          "Redis have different ones.")
      .choice("to", options.to, {{"gateway", To::kGateway}, {"machines", To::kMachines}},
              "Where Traefik sends players: to our gateway, which wakes, counts, limits and asks whose door it is; or "
              "past it to the machines, which takes a Traefik on this host. What only the gateway can do (a sleeping "
              "instance, an owner's door, a Host of the machine's own) goes by it all the same.")
      .text("gateway", options.gateway, kMaybeAddress,
            "Our gateway as Traefik reaches it; empty: where gateway.listen is.")
      .text("gateway_tls", options.gateway_tls, kMaybeAddress,
            "The same of its TLS port, for endpoints of kind tls; empty: where gateway.tls_listen is.")
      .texts("entry_points", options.entry_points, kTheirName,
             "Traefik's entry points that our routers are on; empty: Traefik's default ones.")
      .flag("tls", options.tls, "Whether Traefik ends players' TLS for pages.")
      .text(
          "cert_resolver", options.cert_resolver, kMaybeTheirName,
          "Traefik's certificate resolver for pages; one wildcard certificate of the gateway's domain is asked of it.")
      .texts("middlewares", options.middlewares, kTheirName, "Traefik's middlewares that pages pass, in order.")
      .number("priority", options.priority, 2, 1'000'000, "Of our routers; the one that catches the rest has 1.")
      .choice("catch_all", options.catch_all,
              {{"domain", CatchAll::kDomain}, {"everything", CatchAll::kEverything}, {"none", CatchAll::kNone}},
              "What goes to the gateway, for its page that says so, though no instance has the name: names below the "
              "gateway's domain, every name, or none.")
      .text(
          "extra", options.extra, form::kPath,
          "A file with keys of your own, a line each: KEY = VALUE, without the root. They are written with ours, come "
          "back when they go missing, and are removed when they leave the file.")
      .time(
          "look_every", options.look_every, std::chrono::seconds{1}, std::chrono::hours{24},
          "How often what Redis has is compared with what it should have, beside each time the connection comes back.");
}

}  // namespace tiltyard::traefik
