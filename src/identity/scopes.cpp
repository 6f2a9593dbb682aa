#include "identity/scopes.h"

#include <algorithm>

namespace tiltyard::identity {

std::optional<Role> least_role(house::Access access) {
  switch (access) {
    case house::Access::kOpen:
      return std::nullopt;
    case house::Access::kSignedIn:
      return Role::kPlayer;
    case house::Access::kAuthor:
      return Role::kAuthor;
    case house::Access::kOperator:
      return Role::kOperator;
    case house::Access::kAdmin:
      return Role::kAdmin;
  }
  return Role::kAdmin;
}

bool may_call(const Principal& who, const house::Rights& rights) {
  const auto least = least_role(rights.access);
  return (!least || who.at_least(*least)) && who.may(rights.scope);
}

Result<Scope> parse_scope(std::string_view text) {
  if (const auto scope = house::scope_named(text)) return *scope;
  return fail(Code::kInvalid, "invalid-body", "A scope is read, instances, flags, account or admin.");
}

unsigned scopes_from(std::string_view text) {
  if (text.empty()) return kAllScopes;
  unsigned scopes = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    // A scope that this server does not know gives nothing.
    if (const auto scope = house::scope_named(text.substr(0, end))) scopes |= static_cast<unsigned>(*scope);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return scopes;
}

std::string scopes_text(unsigned scopes) {
  if (scopes == kAllScopes) return {};
  std::string text;
  for (unsigned bit = 1; bit < kAllScopes; bit <<= 1) {
    if ((scopes & bit) != 0) text += (text.empty() ? "" : " ") + std::string(to_string(static_cast<Scope>(bit)));
  }
  return text;
}

}  // namespace tiltyard::identity
