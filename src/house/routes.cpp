#include "house/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tiltyard::house {
namespace {

constexpr std::array kScopes = {
    std::pair{Scope::kRead, std::string_view("read")},   std::pair{Scope::kInstances, std::string_view("instances")},
    std::pair{Scope::kFlags, std::string_view("flags")}, std::pair{Scope::kAccount, std::string_view("account")},
    std::pair{Scope::kAdmin, std::string_view("admin")},
};

std::string_view least(Access access) {
  switch (access) {
    case Access::kOpen:
      return "everybody";
    case Access::kSignedIn:
      return "player";
    case Access::kAuthor:
      return "author";
    case Access::kOperator:
      return "operator";
    case Access::kAdmin:
      return "admin";
  }
  return "admin";
}

std::string size_text(std::size_t bytes) {
  if (bytes == 0) return "none";
  if (bytes % (1 << 20) == 0) return fmt::format("{} MiB", bytes >> 20);
  return bytes % 1024 == 0 ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} bytes", bytes);
}

std::string row(const Declared& route) {
  const bool open = route.rights.access == Access::kOpen;
  const std::string limits = route.limits.names().empty() ? fmt::format("none: {}", route.limits.because())
                                                          : fmt::format("{}", fmt::join(route.limits.names(), ", "));
  return fmt::format("| {} | `{}` | {} | {} | {} | {} | {} | {} |\n", route.method, route.pattern,
                     least(route.rights.access), open ? "" : to_string(route.rights.scope),
                     open ? "" : to_string(route.rights.whose), route.rights.proof == Proof::kFresh ? "fresh" : "",
                     limits, route.method == "GET" ? "" : size_text(route.body_limit));
}

}  // namespace

std::string_view to_string(Scope scope) {
  for (const auto& [known, name] : kScopes) {
    if (known == scope) return name;
  }
  return "";
}

std::optional<Scope> scope_named(std::string_view name) {
  for (const auto& [scope, known] : kScopes) {
    if (known == name) return scope;
  }
  return std::nullopt;
}

std::string_view to_string(Whose whose) {
  switch (whose) {
    case Whose::kNobody:
      return "nobody";
    case Whose::kSelf:
      return "self";
    case Whose::kOwner:
      return "owner";
  }
  return "nobody";
}

void Routes::add(std::string method, std::string pattern, Rights rights, Limits limits, http::Handler handler,
                 Body body) {
  Declared declared{capability_, method, pattern, rights, std::move(limits), body.most};
  if (const auto* other = find(method, pattern)) {
    faults_.push_back(fmt::format("the route {} is declared by {} and by {}", declared.name(), other->capability,
                                  declared.capability));
    return;
  }
  if (declared.limits.names().empty() && declared.limits.because().empty()) {
    faults_.push_back(fmt::format("the route {} of {} names no rate limiter, nor why it needs none", declared.name(),
                                  declared.capability));
  }
  http::Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.access = rights.access;
  route.handler = std::move(handler);
  route.body_limit = body.most;
  route.takes = std::move(body.takes);
  route.limits = declared.limits.names();
  router_.add(std::move(route));
  declared_.push_back(std::move(declared));
}

const Declared* Routes::find(std::string_view method, std::string_view pattern) const {
  const auto found = std::ranges::find_if(
      declared_, [&](const Declared& one) { return one.method == method && one.pattern == pattern; });
  return found == declared_.end() ? nullptr : &*found;
}

std::string markdown(const Routes& routes) {
  std::string out =
      "# Every route, who may call it, and how often\n\n"
      "Made by `tiltyard routes` from what the capabilities declare; a test keeps it true. *Role* is the "
      "least one that may\ncall, *scope* what a token needs, *whose* what the handler looks at (owner: of the caller "
      "or "
      "the caller's team, everybody's for\noperators), *proof* whether the sign-in must be fresh, *limiters* what the "
      "request passes (docs/limits.md), *body* the most it may send (64 KiB\nwhere it is not known who sends it).\n";
  std::vector<const Declared*> sorted;
  for (const auto& route : routes.all()) sorted.push_back(&route);
  std::ranges::stable_sort(sorted, {}, [](const Declared* route) { return route->capability; });
  std::string_view capability;
  for (const auto* route : sorted) {
    if (route->capability != capability) {
      capability = route->capability;
      out += fmt::format(
          "\n## {}\n\n| method | path | role | scope | whose | proof | limiters | body |\n"
          "|---|---|---|---|---|---|---|---|\n",
          capability);
    }
    out += row(*route);
  }
  return out;
}

}  // namespace tiltyard::house
