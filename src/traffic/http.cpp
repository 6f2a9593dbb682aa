// What staff see of the gateway: api/paths/traffic.yaml.
#include "traffic/http.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>

#include "net/page.h"

namespace tiltyard::traffic {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::int64_t kMostOnAPage = 500;

/// Where it is reached, without a scheme: the door is the same for all of them.
std::string place_of(const labs::Instance& instance, const labs::PlannedEndpoint& endpoint,
                     const gateway::Options& options) {
  if (endpoint.port != 0) return fmt::format("{}:{}", gateway::tcp_host(options), endpoint.port);
  const auto hosts = labs::hosts_of(instance, endpoint);
  return hosts.empty() ? options.domain : hosts.front() + "." + options.domain;
}

json::object view(const labs::Instance& instance, const labs::PlannedEndpoint& endpoint,
                  const gateway::Options& options, const gateway::Traffic& traffic) {
  return {{"instance", instance.id.str()},
          {"template", instance.tmpl.str()},
          {"template_name", *instance.template_name},
          {"owner_name", instance.owner_name},
          {"state", labs::to_string(instance.state)},
          {"endpoint", endpoint.name},
          {"kind", word_of(endpoint.kind)},
          {"place", place_of(instance, endpoint, options)},
          {"machine", endpoint.machine},
          {"machine_port", endpoint.machine_port},
          {"open", traffic.open},
          {"connections", traffic.connections},
          {"bytes_in", traffic.bytes_in},
          {"bytes_out", traffic.bytes_out}};
}

/// By instance id, so that a cursor is one.
asio::awaitable<Result<Response>> list_routes(PartsRef parts, Request request) {
  const auto limit = http::query_number(request, "limit", 100, 1, kMostOnAPage);
  if (!limit) co_return fail(limit.error());
  auto live = parts->labs.service().all_live();
  std::ranges::sort(live, {}, [](const auto& one) { return one->instance.id; });
  const InstanceId after(request.query_value("cursor"));
  json::array items;
  std::optional<std::string> next;
  InstanceId last;
  const auto& options = parts->gateway.options();
  for (const auto& one : live) {
    const auto& instance = one->instance;
    const auto traffic = parts->gateway.traffic(instance.id);
    if (!traffic || instance.id <= after) continue;
    // An instance stands on one page with all of its endpoints, of which there are a few.
    if (items.size() >= static_cast<std::size_t>(*limit)) {
      next = last.str();
      break;
    }
    last = instance.id;
    for (const auto& endpoint : instance.plan.endpoints) items.push_back(view(instance, endpoint, options, *traffic));
  }
  co_return http::page_answer(std::move(items), next);
}

asio::awaitable<Result<Response>> list_samples(PartsRef parts, Request request) {
  json::array items;
  for (const auto& sample : parts->sampler.samples(request.query_value("instance"))) {
    items.push_back(json::object{{"at", to_rfc3339(sample.at)},
                                 {"open", sample.open},
                                 {"connections", sample.connections},
                                 {"bytes_in", sample.bytes_in},
                                 {"bytes_out", sample.bytes_out}});
  }
  co_return http::page_answer(std::move(items));
}

}  // namespace

void add_routes(house::Routes& routes, HttpParts parts) {
  const auto own = std::make_shared<const HttpParts>(parts);
  const house::Rights staff{Access::kOperator, Scope::kAdmin};
  routes.add("GET", "/api/v1/admin/gateway/routes", staff, {"admin-read"},
             [own](Request request) { return list_routes(own, std::move(request)); });
  routes.add("GET", "/api/v1/admin/gateway/traffic", staff, {"admin-read"},
             [own](Request request) { return list_samples(own, std::move(request)); });
}

}  // namespace tiltyard::traffic
