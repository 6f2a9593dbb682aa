#include "traefik/layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tiltyard::traefik {
namespace {

/// Keys are compared without regard to case, and a part of digits alone would be taken for a place in a list: the
/// prefix has letters.
std::string name_of(const Options& options, const Exported& endpoint) {
  auto name = prefix_of(options) + endpoint.instance + "_" + endpoint.endpoint;
  std::ranges::replace_if(name, [](char c) { return c == '/' || c == '@' || c == '.'; }, '-');
  return lower(name);
}

/// Both versions read this; a rule with several values in one Host() is version 2's alone.
std::string rule_of(std::string_view matcher, const std::vector<std::string>& hosts) {
  std::string rule;
  for (const auto& host : hosts) rule += fmt::format("{}{}(`{}`)", rule.empty() ? "" : " || ", matcher, host);
  return rule;
}

/// Any single label below the domain. Version 2 has its own way to write patterns, version 3 has Go's.
std::string catch_all_rule(const Options& options, const std::string& domain) {
  // In the words of both.
  if (options.catch_all == CatchAll::kEverything) return "PathPrefix(`/`)";
  if (options.version == Version::kTwo) return fmt::format("HostRegexp(`{{label:[^.]+}}.{}`)", domain);
  std::string pattern;
  for (const char c : domain) pattern += c == '.' ? std::string("\\.") : std::string(1, c);
  return fmt::format("HostRegexp(`^[^.]+\\.{}$`)", pattern);
}

class Writer {
 public:
  Writer(const Options& options, const Gateway& gateway) : options_(options), gateway_(gateway) {}

  void add(const Exported& endpoint) {
    if (endpoint.hosts.empty()) return;
    switch (endpoint.kind) {
      case EndpointKind::kHttp:
        return page(endpoint);
      case EndpointKind::kTls:
        return through(endpoint);
      default:
        return;
    }
  }

  void catch_the_rest() {
    if (options_.catch_all == CatchAll::kNone) return;
    router(prefix_of(options_) + "rest", catch_all_rule(options_, gateway_.domain), page_service(), 1);
  }

  Keys take() { return std::move(keys_); }

 private:
  void put(const std::string& path, std::string value) { keys_[options_.root + "/" + path] = std::move(value); }

  void list(const std::string& path, const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) put(fmt::format("{}/{}", path, i), values[i]);
  }

  /// One for all that goes by the gateway: few keys, since Traefik reads all of them at each change.
  std::string page_service() {
    auto name = prefix_of(options_) + "gateway";
    put(fmt::format("http/services/{}/loadbalancer/servers/0/url", name), "http://" + gateway_.address);
    return name;
  }

  void page(const Exported& endpoint) {
    const auto name = name_of(options_, endpoint);
    auto service = name;
    if (options_.to == To::kGateway || endpoint.by_gateway) service = page_service();
    else put(fmt::format("http/services/{}/loadbalancer/servers/0/url", name), "http://" + endpoint.machine);
    router(name, rule_of("Host", endpoint.hosts), service, options_.priority);
  }

  void router(const std::string& name, const std::string& rule, const std::string& service, int priority) {
    const auto path = "http/routers/" + name;
    put(path + "/rule", rule);
    put(path + "/service", service);
    put(path + "/priority", std::to_string(priority));
    list(path + "/entrypoints", options_.entry_points);
    list(path + "/middlewares", options_.middlewares);
    if (!options_.tls) return;
    put(path + "/tls", "true");
    if (options_.cert_resolver.empty()) return;
    put(path + "/tls/certresolver", options_.cert_resolver);
    // Asked for by name, every instance would order a certificate of its own, and authorities allow few a week.
    put(path + "/tls/domains/0/main", "*." + gateway_.domain);
  }

  void through(const Exported& endpoint) {
    const bool by_gateway = options_.to == To::kGateway || endpoint.by_gateway;
    if (by_gateway && gateway_.tls_address.empty()) return;
    const auto name = name_of(options_, endpoint);
    const auto service = by_gateway ? prefix_of(options_) + "gateway" : name;
    put(fmt::format("tcp/services/{}/loadbalancer/servers/0/address", service),
        by_gateway ? gateway_.tls_address : endpoint.machine);
    const auto path = "tcp/routers/" + name;
    put(path + "/rule", rule_of("HostSNI", endpoint.hosts));
    put(path + "/service", service);
    put(path + "/priority", std::to_string(options_.priority));
    list(path + "/entrypoints", options_.entry_points);
    put(path + "/tls", "true");
    put(path + "/tls/passthrough", "true");
  }

  const Options& options_;
  const Gateway& gateway_;
  Keys keys_;
};

}  // namespace

std::string prefix_of(const Options& options) { return "ty_" + options.name + "_"; }

Keys keys_of(const Options& options, const Gateway& gateway, const std::vector<Exported>& endpoints) {
  Writer writer(options, gateway);
  for (const auto& endpoint : endpoints) writer.add(endpoint);
  writer.catch_the_rest();
  return writer.take();
}

std::string unit_of(const Options& options, const std::string& key) {
  const auto begin = options.root.size() + 1;
  auto end = begin;
  for (int slashes = 0; slashes < 3; ++slashes) {
    end = key.find('/', slashes == 0 ? begin : end + 1);
    if (end == std::string::npos) return {};
  }
  return key.substr(begin, end - begin);
}

bool is_ours(const Options& options, const std::string& key) {
  const auto unit = unit_of(options, key);
  const auto last = unit.rfind('/');
  return last != std::string::npos && key.starts_with(options.root + "/") &&
         std::string_view(unit).substr(last + 1).starts_with(prefix_of(options));
}

}  // namespace tiltyard::traefik
