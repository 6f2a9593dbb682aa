// How one gets into the machines of an instance, by the field's names for it (row 3.3): api/paths/desktop.yaml.
#include <boost/json.hpp>

#include <optional>

#include "desktop/http.h"
#include "labs/capability.h"

namespace tiltyard::desktop {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::uint16_t kSshPort = 22;

/// What an endpoint is called; nullopt: it is none of these kinds.
std::optional<std::string_view> kind_of(const labs::PlannedEndpoint& endpoint) {
  if (speaks_http(endpoint.kind)) return "WEB_PROXY";
  if (endpoint.kind == EndpointKind::kTcp && endpoint.machine_port == kSshPort) return "SSH";
  return std::nullopt;
}

/// The path of the page that opens it; empty: it is reached by another program, or in a tab of its own.
json::object way(std::string_view kind, const std::string& name, const std::string& machine, json::value page,
                 json::value endpoint) {
  return {{"kind", kind},
          {"name", name},
          {"machine", machine},
          {"page", std::move(page)},
          {"endpoint", std::move(endpoint)}};
}

asio::awaitable<Result<Response>> list_ways(PartsRef parts, Request request) {
  auto instance = co_await labs::visible_instance(&parts->labs.service(), std::move(request));
  if (!instance) co_return fail(std::move(instance.error()));
  json::array ways;
  const bool up = labs::is_up(instance->state);
  const auto desktop = parts->screens.of(instance->tmpl);
  if (up && desktop)
    ways.push_back(way("NO_VNC", "desktop", desktop->machine, json::string("/desktop/" + instance->id.str()), nullptr));
  for (const auto& endpoint : instance->plan.endpoints) {
    const auto kind = up ? kind_of(endpoint) : std::nullopt;
    if (kind)
      ways.push_back(way(*kind, endpoint.name, endpoint.machine, nullptr,
                         labs::endpoint_view(*instance, endpoint, parts->labs.address())));
  }
  co_return Response::json(200, json::serialize(json::object{{"ways", std::move(ways)}}));
}

}  // namespace

void add_ways_routes(house::Routes& routes, PartsRef parts) {
  routes.add("GET", "/api/v1/instances/{id}/ways",
             {house::Access::kSignedIn, house::Scope::kRead, house::Whose::kOwner}, {"list-read"},
             [parts](Request request) { return list_ways(parts, std::move(request)); });
}

}  // namespace tiltyard::desktop
