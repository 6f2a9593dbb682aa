// The limiters in front of the API: by address before anybody is asked who they are, the others behind that.
#include <algorithm>

#include "base/text.h"
#include "net/body.h"
#include "rates/rates.h"

namespace tiltyard::rates {
namespace {

constexpr std::string_view kSignIn = "sign-in-address";
/// What everything under /api passes, unless one of its limiters counts in its place.
constexpr std::string_view kEverything = "address";

std::vector<std::string_view> limits_of(const limits::Service& service, const house::Declared& route) {
  auto names = route.limits.names();
  if (names.empty() || !route.pattern.starts_with("/api/")) return names;
  const bool covered = std::ranges::any_of(names, [&](std::string_view name) {
    const auto place = service.find(name);
    return place && service.limiters()[*place].counts_everything;
  });
  if (!covered) names.push_back(kEverything);
  return names;
}

/// The name that somebody wants to sign in with, or have mail sent to: as it is compared, without regard to case.
std::string name_in(const http::Request& request) {
  const auto body = http::json_object(request.body);
  if (!body) return {};
  for (const auto* key : {"name", "email"}) {
    const auto* value = body->if_contains(key);
    if (value != nullptr && value->is_string()) return lower(std::string_view(value->get_string()));
  }
  return {};
}

}  // namespace

Door::Door(const house::Routes& routes, const identity::Service& identity, limits::Service& limits)
    : routes_(routes), identity_(identity), limits_(limits) {
  for (std::size_t i = 0; i < routes.all().size(); ++i) {
    auto names = limits_of(limits, routes.all()[i]);
    // The name stands in the body, and so the body is read first.
    const bool by_name = std::ranges::any_of(names, [&](std::string_view name) {
      const auto place = limits.find(name);
      return place && limits.limiters()[*place].key == limits::Key::kName;
    });
    routes.router().set_limits(i, std::move(names), by_name);
  }
  limits.bind(routes.router());
}

/// Whose share an address is. Signing in with a browser that is known counts for it alone: a neighbour behind the same
/// address, who tries as often as the address may, keeps nobody else out.
std::string Door::share_of(const http::Request& request, const http::Route& route) const {
  if (std::ranges::find(route.limits, kSignIn) != route.limits.end()) {
    if (const auto browser = identity_.known_browser(request)) return "browser " + *browser;
  }
  const auto address = identity_.client_address(request);
  return address ? limits::address_share(*address) : std::string("unknown");
}

limits::Caller Door::caller_of(std::size_t place, const http::Route& route, const http::Request& request) const {
  limits::Caller caller;
  caller.address = share_of(request, route);
  if (limits_.counts(place, limits::Key::kName)) caller.name = name_in(request);
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

std::optional<http::Response> Door::guard(const http::Request& request, const http::Route& route) const {
  return limits_.guard(routes_.router().place(route), share_of(request, route));
}

asio::awaitable<Result<>> Door::pass(http::Request& request, const http::Route& route) const {
  const std::size_t place = routes_.router().place(route);
  return limits_.pass(place, request, caller_of(place, route, request));
}

}  // namespace tiltyard::rates
