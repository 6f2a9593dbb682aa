#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr int kMostPorts = 64;

/// One entry of a service's `networks`, with its priorities.
struct Use {
  ServiceNetwork network;
  std::int64_t gateway = 0, priority = 0;
  std::size_t order = 0;  ///< in the file
};

Use read_use(const Member& member, ReadContext& context) {
  Use use;
  use.network.network = member.key;
  if (!context.networks.contains(member.key)) {
    context.problems.error(member.place, fmt::format("the network \"{}\" is not declared under the file's `networks`",
                                                     printable(member.key)));
  }
  const Node& options = member.value;
  if (options.is_null() || !want_map(options, "networks", context)) return use;
  check_keys(options, "service.networks", context.problems);
  for (const std::string_view key : {"ipv4_address", "ipv6_address", "link_local_ips", "mac_address"}) {
    const Member* said = options.member(key);
    if (!said || said->value.is_empty()) continue;
    const Key& known = *find_key("service.networks", key);
    if (said->value.is_scalar() && key.ends_with("_address") && key != "mac_address") {
      context.problems.warn(said->place,
                            fmt::format("`{}` is rewritten: {}; a program that knows {} will not find the machine, "
                                        "its service's name does: two instances cannot have one range of addresses",
                                        key, known.note, printable(said->value.text, 45)));
    } else {
      context.problems.warn(said->place, fmt::format("`{}` is rewritten: {}", key, reason_of(known)));
    }
  }
  if (const Node* aliases = options.find("aliases")) {
    for (const Node* item : as_list(*aliases, "aliases", context)) {
      const auto name = as_text(*item, "aliases", context, 200);
      if (!name) continue;
      if (is_name(*name, 200)) use.network.aliases.push_back(*name);
      else context.problems.error(item->place, fmt::format("\"{}\" is no host name", printable(*name)));
    }
  }
  if (const Node* said = options.find("priority"))
    use.priority = as_integer(*said, "priority", context, -1'000'000, 1'000'000).value_or(0);
  if (const Node* said = options.find("gw_priority"))
    use.gateway = as_integer(*said, "gw_priority", context, -1'000'000, 1'000'000).value_or(0);
  return use;
}

/// True: the service's networks are settled by its network_mode.
bool read_network_mode(const Node& service, ReadContext& context, ReadService& out) {
  const Member* member = service.member("network_mode");
  if (!member || member->value.is_empty()) return false;
  const auto mode = as_text(member->value, "network_mode", context, 200);
  if (!mode) return true;
  if (*mode == "bridge" || *mode == "default") {
    context.problems.warn(
        member->place,
        fmt::format("network_mode {} is rewritten: the machine is on its instance's own network; the line can go",
                    *mode));
    return false;
  }
  if (*mode == "none") {
    context.problems.warn(
        member->place,
        "network_mode none is rewritten: the machine is alone on a network of its own, by which the gateway reaches "
        "it; the line can stay");
    out.isolated = true;
    return true;
  }
  context.problems.error(member->place, fmt::format("network_mode \"{}\" is refused: {}", printable(*mode),
                                                    find_key("service", "network_mode")->note));
  return true;
}

void add_port(std::uint16_t port, Transport transport, ReadService& out) {
  auto& ports = transport == Transport::kUdp ? out.service.udp_ports : out.service.ports;
  if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
}

void publish(PublishedPort port, ReadService& out) {
  const auto carried_by = [](const PublishedPort& one) { return transport_of(one.kind.value_or(EndpointKind::kTcp)); };
  add_port(port.port, carried_by(port), out);
  const auto same = std::ranges::find_if(out.published, [&](const PublishedPort& one) {
    return one.port == port.port && carried_by(one) == carried_by(port);
  });
  if (same == out.published.end()) out.published.push_back(std::move(port));
}

/// nullopt: the gateway does not carry it, which is said.
std::optional<Transport> transport_named(const Node& node, std::string_view protocol, ReadContext& context) {
  if (protocol == "tcp") return Transport::kTcp;
  if (protocol == "udp") return Transport::kUdp;
  context.problems.warn(node.place,
                        fmt::format("the {} port is ignored: the gateway carries TCP and UDP; the instance's own "
                                    "machines reach it, and the line can go",
                                    printable(protocol)));
  return std::nullopt;
}

std::optional<EndpointKind> kind_by(Transport transport) {
  return transport == Transport::kUdp ? std::optional(EndpointKind::kUdp) : std::nullopt;
}

void read_short_port(const Node& item, ReadContext& context, ReadService& out) {
  // The host's side may name what is known only at spawn, "${PORT_80}:80": it pins nothing and goes away.
  std::string text = item.text;
  bool pinned = true;
  if (item.at_spawn) {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || text.find("${", colon) != std::string::npos) {
      return context.problems.error(item.place, "the port in the machine must be a number");
    }
    text.erase(0, colon + 1);
    pinned = false;
  }
  const auto port = parse_port_text(text);
  if (!port) return context.problems.error(item.place, port.error());
  const auto transport = transport_named(item, port->protocol, context);
  if (!transport) return;
  if (port->last - port->first >= kMostPorts)
    return context.problems.error(item.place, fmt::format("more than {} ports", kMostPorts));
  if (pinned && (!port->host.empty() || !port->address.empty())) {
    context.problems.warn(item.place, fmt::format("host port \"{}\" is rewritten: {}", printable(port->host),
                                                  reason_of(*find_key("service.ports", "published"))));
  }
  for (int one = port->first; one <= port->last; ++one)
    publish({static_cast<std::uint16_t>(one), {}, kind_by(*transport), item.place}, out);
}

void read_long_port(const Node& item, ReadContext& context, ReadService& out) {
  check_keys(item, "service.ports", context.problems);
  const Node* target = item.find("target");
  const auto port = target ? as_integer(*target, "target", context, 1, 65535) : std::nullopt;
  if (!target) context.problems.error(item.place, "a port needs its `target`");
  const auto transport = transport_named(item, lower(text_at(item, "protocol", context, 10).value_or("tcp")), context);
  if (!transport || !port) return;
  for (const std::string_view key : {"published", "host_ip"}) {
    const Member* said = item.member(key);
    if (!said || said->value.is_empty() || said->value.at_spawn) continue;
    context.problems.warn(said->place,
                          fmt::format("`{}` is rewritten: {}", key, reason_of(*find_key("service.ports", key))));
  }
  PublishedPort published{static_cast<std::uint16_t>(*port), {}, kind_by(*transport), item.place};
  if (const Node* name = item.find("name")) {
    published.name = lower(as_text(*name, "name", context, 30).value_or(""));
    if (!published.name.empty() && !is_slug(published.name, 30)) {
      context.problems.error(name->place,
                             "an endpoint's name has at most 30 lower-case letters, digits and single \"-\"");
    }
  }
  // What is spoken over UDP makes no difference to the gateway.
  if (const Node* kind = item.find("app_protocol"); kind && *transport == Transport::kTcp) {
    const std::string text = lower(as_text(*kind, "app_protocol", context, 20).value_or(""));
    if (text == "http" || text == "ws") published.kind = EndpointKind::kHttp;
    else if (text == "tcp") published.kind = EndpointKind::kTcp;
    else if (text == "tls") published.kind = EndpointKind::kTls;
    else if (!text.empty())
      context.problems.warn(kind->place,
                            fmt::format("app_protocol \"{}\" is taken as tcp: the gateway passes on what it does "
                                        "not know; write http, tcp or tls",
                                        printable(text))),
          published.kind = EndpointKind::kTcp;
  }
  publish(std::move(published), out);
}

void read_expose(const Node& service, ReadContext& context, ReadService& out) {
  const Node* expose = service.find("expose");
  if (!expose) return;
  for (const Node* item : as_list(*expose, "expose", context)) {
    const auto text = as_text(*item, "expose", context, 40);
    if (!text) continue;
    const auto port = parse_port_text(*text);
    if (!port || !port->host.empty() || port->last - port->first >= kMostPorts) {
      context.problems.error(item->place, fmt::format("\"{}\" is no port", printable(*text)));
    } else if (const auto transport = transport_named(*item, port->protocol, context)) {
      for (int one = port->first; one <= port->last; ++one) add_port(static_cast<std::uint16_t>(one), *transport, out);
    }
  }
}

/// An address that leads to the machine itself, or nowhere.
bool is_own(std::string_view address) { return address == "127.0.0.1" || address == "::1" || address == "0.0.0.0"; }

}  // namespace

void read_network_use(const Node& service, ReadContext& context, ReadService& out) {
  const Node* said = service.find("networks");
  const bool named = said && !said->is_empty();
  const bool settled = read_network_mode(service, context, out);
  if (settled) {
    if (named) context.problems.error(said->place, "`networks` and `network_mode` exclude each other");
    return;
  }
  if (!named) {
    out.service.networks.push_back({"default", {}});
    return;
  }
  std::vector<Use> uses;
  if (said->is_sequence()) {
    for (const auto& item : said->items) {
      if (const auto name = as_text(item, "networks", context, 200))
        uses.push_back(read_use(Member{*name, item.place, Node{}}, context));
    }
  } else if (want_map(*said, "networks", context)) {
    for (const auto& member : said->members) uses.push_back(read_use(member, context));
  }
  for (std::size_t i = 0; i < uses.size(); ++i) uses[i].order = i;
  std::ranges::sort(uses, {}, [](const Use& use) { return std::tuple(-use.gateway, -use.priority, use.order); });
  for (auto& use : uses) out.service.networks.push_back(std::move(use.network));
}

void read_container_name(const Node& service, ReadContext& context, ReadService& out) {
  const Node* said = service.find("container_name");
  // A name made of what is known only at spawn differs in every instance: nobody inside can have it written down.
  if (!said || said->at_spawn) return;
  const auto name = as_text(*said, "container_name", context, 200);
  if (!name || name->empty()) return;
  if (!is_name(*name, 200))
    return context.problems.error(said->place, fmt::format("\"{}\" is no name for a container", printable(*name)));
  out.container_name = *name;
  if (*name == out.service.name) return;
  for (auto& use : out.service.networks) {
    if (std::ranges::find(use.aliases, *name) == use.aliases.end()) use.aliases.push_back(*name);
  }
}

void read_ports(const Node& service, ReadContext& context, ReadService& out) {
  if (const Node* ports = service.find("ports")) {
    for (const Node* item : as_list(*ports, "ports", context)) {
      if (item->is_map()) read_long_port(*item, context, out);
      else if (item->is_scalar()) read_short_port(*item, context, out);
      else context.problems.error(item->place, "a port is a number, a text or a map");
    }
  }
  read_expose(service, context, out);
  if (out.service.ports.size() > kMostPorts || out.service.udp_ports.size() > kMostPorts)
    context.problems.error(out.place, fmt::format("a machine has at most {} ports", kMostPorts));
  for (const auto port : out.service.ports) out.service.machine.exposed.push_back(port);
}

void read_extra_hosts(const Node& service, ReadContext& context, ReadService& out) {
  const Node* said = service.find("extra_hosts");
  if (!said || said->is_null()) return;
  std::vector<std::tuple<std::string, std::string, Place>> hosts;
  if (said->is_map()) {
    for (const auto& [name, place, value] : said->members) {
      for (const Node* item : as_list(value, "extra_hosts", context)) {
        if (const auto to = as_text(*item, "extra_hosts", context, 200)) hosts.emplace_back(name, *to, place);
      }
    }
  } else {
    for (const Node* item : as_list(*said, "extra_hosts", context)) {
      const auto text = as_text(*item, "extra_hosts", context, 400);
      if (!text) continue;
      const auto at = text->find_first_of("=:");
      if (at == std::string::npos)
        context.problems.error(item->place, fmt::format("\"{}\" is no host; write name:service", printable(*text)));
      else hosts.emplace_back(text->substr(0, at), text->substr(at + 1), item->place);
    }
  }
  for (auto& [name, to, place] : hosts) {
    // A pinned address is its service, wherever that is here.
    if (to.starts_with('[') && to.ends_with(']')) to = to.substr(1, to.size() - 2);
    if (const auto owner = context.pinned.find(to); owner != context.pinned.end()) to = owner->second;
    if (!is_name(name, 200)) context.problems.error(place, fmt::format("\"{}\" is no host name", printable(name)));
    else if (is_own(to) || context.services.contains(to)) out.service.extra_hosts.emplace_back(name, to);
    else
      context.problems.error(
          place,
          fmt::format(
              "extra_hosts {} → \"{}\" is refused: a name may stand for a service of the instance, for 127.0.0.1, ::1 "
              "or 0.0.0.0; write the name of a service in place of the address",
              printable(name), printable(to)));
  }
}

}  // namespace tiltyard::templates
