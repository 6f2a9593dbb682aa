#include "identity/permissions.h"

#include <array>
#include <stdexcept>

namespace tiltyard::identity {
namespace {

using http::Access;

constexpr std::array kScopes = {
    std::pair{Scope::kRead, std::string_view("read")},   std::pair{Scope::kInstances, std::string_view("instances")},
    std::pair{Scope::kFlags, std::string_view("flags")}, std::pair{Scope::kAccount, std::string_view("account")},
    std::pair{Scope::kAdmin, std::string_view("admin")},
};

constexpr std::array kPermissions = {
    // Signing in and out
    Permission{"GET", "/api/v1/auth", Access::kOpen},
    Permission{"POST", "/api/v1/session", Access::kOpen},
    Permission{"DELETE", "/api/v1/session", Access::kSignedIn, Scope::kRead, Whose::kSelf},
    Permission{"GET", "/api/v1/auth/oidc/{provider}/start", Access::kOpen},
    Permission{"GET", "/api/v1/auth/oidc/{provider}/callback", Access::kOpen},
    Permission{"POST", "/api/v1/auth/register", Access::kOpen},
    Permission{"POST", "/api/v1/auth/reset", Access::kOpen},
    Permission{"PUT", "/api/v1/auth/password", Access::kOpen},

    // Oneself
    Permission{"GET", "/api/v1/me", Access::kSignedIn, Scope::kRead, Whose::kSelf},
    Permission{"PATCH", "/api/v1/me", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"GET", "/api/v1/me/features", Access::kSignedIn, Scope::kRead, Whose::kSelf},
    Permission{"PUT", "/api/v1/me/password", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"POST", "/api/v1/me/proof", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"GET", "/api/v1/me/tokens", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"POST", "/api/v1/me/tokens", Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh},
    Permission{"DELETE", "/api/v1/me/tokens/{id}", Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh},
    Permission{"GET", "/api/v1/me/sessions", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"DELETE", "/api/v1/me/sessions", Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh},
    Permission{"DELETE", "/api/v1/me/sessions/{id}", Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh},
    Permission{"GET", "/api/v1/me/team", Access::kSignedIn, Scope::kRead, Whose::kSelf},
    Permission{"POST", "/api/v1/me/team", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"DELETE", "/api/v1/me/team", Access::kSignedIn, Scope::kAccount, Whose::kSelf},
    Permission{"POST", "/api/v1/me/team/invitation", Access::kSignedIn, Scope::kAccount, Whose::kSelf},

    // Templates and instances
    Permission{"GET", "/api/v1/templates", Access::kSignedIn},
    Permission{"GET", "/api/v1/templates/{id}", Access::kSignedIn},
    Permission{"GET", "/api/v1/events", Access::kSignedIn, Scope::kRead, Whose::kSelf},
    Permission{"GET", "/api/v1/instances", Access::kSignedIn, Scope::kRead, Whose::kOwner},
    Permission{"POST", "/api/v1/instances", Access::kSignedIn, Scope::kInstances, Whose::kOwner},
    Permission{"GET", "/api/v1/instances/{id}", Access::kSignedIn, Scope::kRead, Whose::kOwner},
    Permission{"DELETE", "/api/v1/instances/{id}", Access::kSignedIn, Scope::kInstances, Whose::kOwner},
    Permission{"POST", "/api/v1/instances/{id}/extend", Access::kSignedIn, Scope::kInstances, Whose::kOwner},
    Permission{"GET", "/api/v1/instances/{id}/logs", Access::kSignedIn, Scope::kInstances, Whose::kOwner},
    Permission{"POST", "/api/v1/instances/{id}/exec", Access::kSignedIn, Scope::kInstances, Whose::kOwner},
    Permission{"GET", "/api/v1/instances/{id}/terminal", Access::kSignedIn, Scope::kInstances, Whose::kOwner},

    // Staff: people
    Permission{"GET", "/api/v1/admin/permissions", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/users", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/users", Access::kAdmin, Scope::kAdmin},
    Permission{"PATCH", "/api/v1/admin/users/{id}", Access::kAdmin, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/users/{id}", Access::kAdmin, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/users/{id}/sessions", Access::kOperator, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/users/{id}/sessions", Access::kAdmin, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/users/{id}/sessions/{session}", Access::kAdmin, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/sessions", Access::kAdmin, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/teams", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/teams", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/teams/{id}", Access::kOperator, Scope::kAdmin},
    Permission{"PATCH", "/api/v1/admin/teams/{id}", Access::kOperator, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/teams/{id}", Access::kAdmin, Scope::kAdmin},
    Permission{"PUT", "/api/v1/admin/teams/{id}/members/{user}", Access::kOperator, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/teams/{id}/members/{user}", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/invitations", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/invitations", Access::kOperator, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/invitations/{id}", Access::kOperator, Scope::kAdmin},

    // Staff: the range
    Permission{"GET", "/api/v1/admin/usage", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/engines", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/pools", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/events", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/events/kinds", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/events/export", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/events/kinds", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/limits", Access::kOperator, Scope::kAdmin},
    Permission{"PATCH", "/api/v1/admin/limits", Access::kAdmin, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/features", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/features/{name}", Access::kOperator, Scope::kAdmin},
    Permission{"PUT", "/api/v1/admin/features/{name}", Access::kAdmin, Scope::kAdmin},
    Permission{"DELETE", "/api/v1/admin/features/{name}", Access::kAdmin, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/jobs", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/jobs/kinds", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/jobs/minutes", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/v1/admin/jobs/{id}", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/jobs/{id}/cancel", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/jobs/{id}/retry", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/jobs/{id}/run-now", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/jobs/kinds/{kind}/pause", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/jobs/kinds/{kind}/resume", Access::kOperator, Scope::kAdmin},
    Permission{"PATCH", "/api/v1/admin/templates/{id}", Access::kOperator, Scope::kAdmin},
    Permission{"POST", "/api/v1/admin/templates/{id}/rebuild", Access::kOperator, Scope::kAdmin},

    // The flag farm. Its own token opens these as well, but for the configuration (app/limits.cpp); the old clients'
    // two routes know nothing else.
    Permission{"POST", "/api/v1/farm/flags", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/flags", Access::kAuthor, Scope::kFlags},
    Permission{"POST", "/api/v1/farm/flags/text", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/flags/{id}", Access::kAuthor, Scope::kFlags},
    Permission{"POST", "/api/v1/farm/lease", Access::kOperator, Scope::kFlags},
    Permission{"POST", "/api/v1/farm/lease/{lease}/extend", Access::kOperator, Scope::kFlags},
    Permission{"POST", "/api/v1/farm/verdicts", Access::kOperator, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/stats", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/series", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/teams", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/attack-data", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/attack-data/{part}", Access::kAuthor, Scope::kFlags},
    Permission{"GET", "/api/v1/farm/config", Access::kOperator, Scope::kAdmin},
    Permission{"PUT", "/api/v1/farm/config", Access::kOperator, Scope::kAdmin},
    Permission{"GET", "/api/get_config", Access::kOpen},
    Permission{"POST", "/api/post_flags", Access::kOpen},

    // The real-time transport; who is there is found out when a session opens, and what they may see is each room's
    // rule
    Permission{"GET", "/socket.io/", Access::kOpen},
    Permission{"POST", "/socket.io/", Access::kOpen},
    Permission{"PUT", "/socket.io/", Access::kOpen},
    Permission{"OPTIONS", "/socket.io/", Access::kOpen},

    // Outside of the API; /metrics has a token of its own
    Permission{"GET", "/healthz", Access::kOpen},
    Permission{"GET", "/readyz", Access::kOpen},
    Permission{"GET", "/metrics", Access::kOpen},
    Permission{"GET", "/openapi.json", Access::kOpen},
};

}  // namespace

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

std::span<const Permission> permissions() { return kPermissions; }

const Permission* permission_of(std::string_view method, std::string_view pattern) {
  for (const auto& permission : kPermissions) {
    if (permission.method == method && permission.pattern == pattern) return &permission;
  }
  return nullptr;
}

http::Access access_of(std::string_view method, std::string_view pattern) {
  if (const auto* permission = permission_of(method, pattern)) return permission->access;
  throw std::logic_error("no permission is written down for " + std::string(method) + " " + std::string(pattern));
}

std::optional<Role> least_role(http::Access access) {
  switch (access) {
    case Access::kOpen:
      return std::nullopt;
    case Access::kSignedIn:
      return Role::kPlayer;
    case Access::kAuthor:
      return Role::kAuthor;
    case Access::kOperator:
      return Role::kOperator;
    case Access::kAdmin:
      return Role::kAdmin;
  }
  return Role::kAdmin;
}

std::string_view to_string(Scope scope) {
  for (const auto& [known, name] : kScopes) {
    if (known == scope) return name;
  }
  return "";
}

Result<Scope> parse_scope(std::string_view text) {
  for (const auto& [scope, name] : kScopes) {
    if (name == text) return scope;
  }
  return fail(Code::kInvalid, "invalid-body", "A scope is read, instances, flags, account or admin.");
}

unsigned scopes_from(std::string_view text) {
  if (text.empty()) return kAllScopes;
  unsigned scopes = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    // A scope that this server does not know gives nothing.
    if (const auto scope = parse_scope(text.substr(0, end))) scopes |= static_cast<unsigned>(*scope);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return scopes;
}

std::string scopes_text(unsigned scopes) {
  if (scopes == kAllScopes) return {};
  std::string text;
  for (const auto& [scope, name] : kScopes) {
    if ((scopes & static_cast<unsigned>(scope)) != 0) text += (text.empty() ? "" : " ") + std::string(name);
  }
  return text;
}

}  // namespace tiltyard::identity
