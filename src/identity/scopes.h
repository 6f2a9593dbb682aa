#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "identity/identity.h"

namespace tiltyard::identity {

/// The least role for an access level; nullopt: it is open to everybody.
std::optional<Role> least_role(house::Access access);
/// Whether somebody may call a route with these rights at all.
bool may_call(const Principal& who, const house::Rights& rights);

/// "read", "instances", "flags", "account", "admin"; `invalid-body` otherwise.
Result<Scope> parse_scope(std::string_view text);
/// With blanks between them; an empty text is all of them.
unsigned scopes_from(std::string_view text);
std::string scopes_text(unsigned scopes);

}  // namespace tiltyard::identity
