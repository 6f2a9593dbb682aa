#include "app/limits.h"

#include <boost/json/parse.hpp>

#include <array>
#include <memory>
#include <optional>

#include "identity/address.h"

namespace tiltyard::app {
namespace {

using Names = std::vector<std::string_view>;

struct RouteLimits {
  std::string_view method, pattern;
  Names limits;
};

/// Which limiters a request to a route passes, beside "address", which everything under /api passes that "farm" does
/// not count.
const std::vector<RouteLimits>& table() {
  static const std::vector<RouteLimits> rows = {
      {"GET", "/api/v1/auth", {"sign-in-page"}},
      {"GET", "/api/v1/auth/oidc/{provider}/start", {"sign-in-redirect"}},
      {"GET", "/api/v1/auth/oidc/{provider}/callback", {"sign-in-redirect"}},
      {"POST", "/api/v1/auth/register", {"registration"}},
      {"POST", "/api/v1/auth/reset", {"reset-mail", "reset-name"}},
      {"PUT", "/api/v1/auth/password", {"sign-in-address"}},
      {"POST", "/api/v1/session", {"sign-in-address", "sign-in-name"}},
      {"DELETE", "/api/v1/session", {"sign-out"}},
      {"GET", "/api/v1/me", {"profile-read"}},
      {"PATCH", "/api/v1/me", {"profile-change"}},
      {"GET", "/api/v1/me/features", {"profile-read"}},
      {"GET", "/api/v1/me/sessions", {"profile-read"}},
      {"DELETE", "/api/v1/me/sessions", {"profile-change"}},
      {"DELETE", "/api/v1/me/sessions/{id}", {"profile-change"}},
      {"GET", "/api/v1/me/team", {"profile-read"}},
      {"POST", "/api/v1/me/team", {"team-join"}},
      {"DELETE", "/api/v1/me/team", {"profile-change"}},
      {"POST", "/api/v1/me/team/invitation", {"profile-change"}},
      {"PUT", "/api/v1/me/password", {"password-change"}},
      {"POST", "/api/v1/me/proof", {"password-change"}},
      {"GET", "/api/v1/me/tokens", {"profile-read"}},
      {"POST", "/api/v1/me/tokens", {"token-create"}},
      {"DELETE", "/api/v1/me/tokens/{id}", {"token-revoke"}},

      {"GET", "/api/v1/templates", {"list-read"}},
      {"GET", "/api/v1/templates/{id}", {"item-read"}},
      {"GET", "/api/v1/instances", {"list-read"}},
      {"POST", "/api/v1/instances", {"instance-start", "instance-start-hourly"}},
      {"GET", "/api/v1/instances/{id}", {"item-read"}},
      {"POST", "/api/v1/instances/{id}/extend", {"instance-extend"}},
      {"DELETE", "/api/v1/instances/{id}", {"instance-stop"}},
      {"GET", "/api/v1/instances/{id}/logs", {"logs-read"}},
      {"POST", "/api/v1/instances/{id}/exec", {"exec"}},
      {"GET", "/api/v1/instances/{id}/terminal", {"terminal-open"}},
      {"GET", "/api/v1/events", {"stream-open"}},

      {"GET", "/api/v1/admin/usage", {"admin-read"}},
      {"GET", "/api/v1/admin/engines", {"admin-read"}},
      {"GET", "/api/v1/admin/pools", {"admin-read"}},
      {"GET", "/api/v1/admin/events", {"admin-read"}},
      {"GET", "/api/v1/admin/events/kinds", {"admin-read"}},
      {"GET", "/api/v1/admin/events/export", {"export"}},
      {"GET", "/api/v1/admin/permissions", {"admin-read"}},
      {"GET", "/api/v1/admin/users", {"admin-read"}},
      {"POST", "/api/v1/admin/users", {"people-change"}},
      {"PATCH", "/api/v1/admin/users/{id}", {"people-change"}},
      {"DELETE", "/api/v1/admin/users/{id}", {"people-change"}},
      {"GET", "/api/v1/admin/users/{id}/sessions", {"admin-read"}},
      {"DELETE", "/api/v1/admin/users/{id}/sessions", {"people-change"}},
      {"DELETE", "/api/v1/admin/users/{id}/sessions/{session}", {"people-change"}},
      {"DELETE", "/api/v1/admin/sessions", {"people-change"}},
      {"GET", "/api/v1/admin/teams", {"admin-read"}},
      {"POST", "/api/v1/admin/teams", {"people-change"}},
      {"GET", "/api/v1/admin/teams/{id}", {"admin-read"}},
      {"PATCH", "/api/v1/admin/teams/{id}", {"people-change"}},
      {"DELETE", "/api/v1/admin/teams/{id}", {"people-change"}},
      {"PUT", "/api/v1/admin/teams/{id}/members/{user}", {"people-change"}},
      {"DELETE", "/api/v1/admin/teams/{id}/members/{user}", {"people-change"}},
      {"GET", "/api/v1/admin/invitations", {"admin-read"}},
      {"POST", "/api/v1/admin/invitations", {"people-change"}},
      {"DELETE", "/api/v1/admin/invitations/{id}", {"people-change"}},
      {"PATCH", "/api/v1/admin/templates/{id}", {"admin-change"}},
      {"POST", "/api/v1/admin/templates/{id}/rebuild", {"admin-change", "template-rebuild"}},
      {"GET", "/api/v1/admin/limits", {"admin-read"}},
      {"PATCH", "/api/v1/admin/limits", {"admin-change"}},
      {"GET", "/api/v1/admin/jobs", {"admin-read"}},
      {"GET", "/api/v1/admin/jobs/kinds", {"admin-read"}},
      {"GET", "/api/v1/admin/jobs/minutes", {"admin-read"}},
      {"GET", "/api/v1/admin/jobs/{id}", {"admin-read"}},
      {"POST", "/api/v1/admin/jobs/{id}/cancel", {"admin-change"}},
      {"POST", "/api/v1/admin/jobs/{id}/retry", {"admin-change"}},
      {"POST", "/api/v1/admin/jobs/{id}/run-now", {"admin-change"}},
      {"POST", "/api/v1/admin/jobs/kinds/{kind}/pause", {"admin-change"}},
      {"POST", "/api/v1/admin/jobs/kinds/{kind}/resume", {"admin-change"}},
      {"GET", "/api/v1/admin/features", {"admin-read"}},
      {"GET", "/api/v1/admin/features/{name}", {"admin-read"}},
      {"PUT", "/api/v1/admin/features/{name}", {"admin-change"}},
      {"DELETE", "/api/v1/admin/features/{name}", {"admin-change"}},

      {"POST", "/api/v1/farm/flags", {"farm"}},
      {"POST", "/api/v1/farm/flags/text", {"farm"}},
      {"POST", "/api/v1/farm/lease", {"farm"}},
      {"POST", "/api/v1/farm/lease/{lease}/extend", {"farm"}},
      {"POST", "/api/v1/farm/verdicts", {"farm"}},
      {"GET", "/api/v1/farm/teams", {"farm"}},
      {"GET", "/api/v1/farm/attack-data", {"farm"}},
      {"GET", "/api/v1/farm/attack-data/{part}", {"farm"}},
      {"GET", "/api/get_config", {"farm"}},
      {"POST", "/api/post_flags", {"farm"}},
      {"GET", "/api/v1/farm/flags", {"admin-read"}},
      {"GET", "/api/v1/farm/flags/{id}", {"admin-read"}},
      {"GET", "/api/v1/farm/stats", {"admin-read"}},
      {"GET", "/api/v1/farm/series", {"admin-read"}},
      {"GET", "/api/v1/farm/config", {"admin-read"}},
      {"PUT", "/api/v1/farm/config", {"admin-change"}},
      {"GET", "/socket.io/", {"realtime-open"}},
      {"POST", "/socket.io/", {"realtime-open"}},
      {"PUT", "/socket.io/", {"realtime-open"}},
      {"OPTIONS", "/socket.io/", {"realtime-open"}},

      {"GET", "/openapi.json", {"document"}},
  };
  return rows;
}

struct FreeRoute {
  std::string_view route, why;
};

constexpr std::array kFree = {
    FreeRoute{"GET /healthz", "A load balancer asks often, and it costs nothing."},
    FreeRoute{"GET /readyz", "A load balancer asks often; its answer is needed most when the server is busy."},
    FreeRoute{"GET /metrics", "Only with its own token or from this machine; monitoring must not go blind under load."},
};

bool is_free(const http::Route& route) {
  const auto name = route.method + " " + route.pattern;
  return std::ranges::any_of(kFree, [&](const FreeRoute& free) { return free.route == name; });
}

Names limits_of(const http::Route& route) {
  Names names = route.limits;
  for (const auto& row : table()) {
    if (names.empty() && row.method == route.method && row.pattern == route.pattern) names = row.limits;
  }
  if (names.empty()) names.push_back(route.access == http::Access::kOpen ? "other-open" : "other");
  if (route.pattern.starts_with("/api/") && std::ranges::find(names, "farm") == names.end()) names.push_back("address");
  return names;
}

/// The name that somebody wants to sign in with, or have mail sent to: as it is compared, without regard to case.
std::string name_in(const http::Request& request) {
  boost::system::error_code error;
  boost::json::parse_options options;
  options.max_depth = 4;
  const auto body = boost::json::parse(request.body, error, {}, options);
  if (error || !body.is_object()) return {};
  for (const auto* key : {"name", "email"}) {
    const auto* value = body.get_object().if_contains(key);
    if (value == nullptr || !value->is_string()) continue;
    std::string name(value->get_string());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return name;
  }
  return {};
}

/// What the limiters need to know of the others. Outlives all requests.
struct Parts {
  http::Router& router;
  identity::Service& identity;
  limits::Service& limits;
  identity::Networks trusted;
  Credential credential;
};

std::string share_of(const Parts& parts, const http::Request& request) {
  const auto address = identity::client_address(request, parts.trusted);
  return address ? limits::address_share(*address) : std::string("unknown");
}

limits::Caller caller_of(const Parts& parts, std::size_t place, const http::Route& route,
                         const http::Request& request) {
  limits::Caller caller;
  caller.address = share_of(parts, request);
  if (parts.limits.counts(place, limits::Key::kName)) caller.name = name_in(request);
  if (caller.name.empty()) caller.name = caller.address;
  if (route.access == http::Access::kOpen) return caller;
  const auto& who = identity::principal_of(request);
  caller.user = who.user.str();
  caller.team = who.owner();
  caller.token = who.session;
  // The admin token works for scripts and for the command line: ten people's worth, and still an end.
  if (who.kind == "service") caller.factor = 10;
  return caller;
}

/// Who carries a capability's own credential is known by it; everybody else is identity's matter.
asio::awaitable<Result<>> authorise(std::shared_ptr<const Parts> parts, http::Request* request,
                                    const http::Route* route) {
  if (auto who = parts->credential(*request, *route)) {
    const auto address = identity::client_address(*request, parts->trusted);
    request->client_address = address ? address->to_string() : std::string();
    identity::set_principal(*request, std::move(who));
    co_return Result<>{};
  }
  co_return co_await parts->identity.authorise(*request, *route);
}

asio::awaitable<Result<>> filter(std::shared_ptr<const Parts> parts, http::Request* request, const http::Route* route) {
  auto allowed = co_await authorise(parts, request, route);
  if (!allowed) co_return allowed;
  const std::size_t place = parts->router.place(*route);
  auto caller = caller_of(*parts, place, *route, *request);
  co_return co_await parts->limits.pass(place, *request, std::move(caller));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> free_routes() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& free : kFree) out.emplace_back(free.route, free.why);
  return out;
}

void connect_limits(http::Router& router, identity::Service& identity, limits::Service& limits,
                    const std::vector<std::string>& trusted_proxies, Credential credential) {
  for (std::size_t i = 0; i < router.routes().size(); ++i) {
    const auto& route = router.routes()[i];
    if (!is_free(route)) router.set_limits(i, limits_of(route));
  }
  limits.bind(router);
  auto trusted = identity::Networks::parse(trusted_proxies);
  const auto parts = std::make_shared<const Parts>(
      Parts{router, identity, limits, trusted ? std::move(*trusted) : identity::Networks{}, std::move(credential)});
  router.set_guard([parts](const http::Request& request, const http::Route& route) {
    return parts->limits.guard(parts->router.place(route), share_of(*parts, request));
  });
  router.set_filter(
      [parts](http::Request& request, const http::Route& route) { return filter(parts, &request, &route); });
}

}  // namespace tiltyard::app
