// Grants over HTTP.
#include "grants/http.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

#include "net/body.h"

namespace tiltyard::grants {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;

constexpr std::array<std::string_view, 3> kKinds{"terminal", "command", "desktop"};

Result<Way> read_way(const Request& request) {
  http::Body body(request.body);
  Way way;
  way.instance = InstanceId(std::string(request.param("id")));
  way.kind = body.text("kind", 1, 20);
  way.machine = body.maybe_text("machine", 0, 100).value_or("");
  const auto right = right_named(body.maybe_text("right", 1, 20).value_or("control"));
  if (std::ranges::find(kKinds, way.kind) == kKinds.end()) body.refuse("'kind' is terminal, command or desktop.");
  if (!right) body.refuse("'right' is watch or control.");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  way.right = *right;
  return way;
}

asio::awaitable<Result<Response>> issue(Service* service, Request request) {
  auto way = read_way(request);
  if (!way) co_return fail(std::move(way.error()));
  auto grant = co_await service->issue(identity::principal_of(request), std::move(*way));
  if (!grant) co_return fail(std::move(grant.error()));
  const json::object out{{"grant", grant->token},
                         {"kind", grant->way.kind},
                         {"machine", grant->way.machine},
                         {"right", to_string(grant->way.right)},
                         {"ends_at", to_rfc3339(grant->ends_at)}};
  auto response = Response::json(201, json::serialize(out));
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

}  // namespace

std::string_view kind_of_route(std::string_view method, std::string_view pattern) {
  if (method != "GET") return {};
  if (pattern == "/api/v1/instances/{id}/terminal") return "terminal";
  if (pattern == "/api/v1/instances/{id}/exec") return "command";
  return {};
}

void add_routes(house::Routes& routes, Service& service) {
  routes.add("POST", "/api/v1/instances/{id}/grants",
             {house::Access::kSignedIn, house::Scope::kInstances, house::Whose::kOwner}, {"grants"},
             [service = &service](Request request) { return issue(service, std::move(request)); });
}

}  // namespace tiltyard::grants
