#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "identity/identity.h"
#include "net/router.h"

namespace tiltyard::identity {

/// Whose thing a route is about; what its handler has to look at.
enum class Whose {
  kNobody,  ///< no one's: the same for everybody who may call it
  kSelf,    ///< the caller's own, and no one else's, staff or not
  kOwner,   ///< of the caller or of the caller's team; everybody's for operators. A stranger's is as if it were not
            ///< there
};
std::string_view to_string(Whose whose);

/// Whether who is signed in must have shown lately who it is (ASVS 5.0, 7.5.2).
enum class Proof {
  kAny,
  kFresh,  ///< else `sign-in-again`
};

/// What one route of the server needs.
struct Permission {
  std::string_view method;
  std::string_view pattern;
  http::Access access;
  Scope scope = Scope::kRead;
  Whose whose = Whose::kNobody;
  Proof proof = Proof::kAny;
};

/// The whole table, of every route that the server has, whichever module it is of. authorise() goes by it, and a test
/// asks every route as every role (tests/e2e/test_people.py); a route that is not here fails that test.
std::span<const Permission> permissions();
/// nullptr: not in the table.
const Permission* permission_of(std::string_view method, std::string_view pattern);
http::Access access_of(std::string_view method, std::string_view pattern);

/// The least role for an access level; nullopt: it is open to everybody.
std::optional<Role> least_role(http::Access access);

/// "read", "instances", "flags", "account", "admin"; `invalid-body` otherwise.
Result<Scope> parse_scope(std::string_view text);
/// With blanks between them; an empty text is all of them.
unsigned scopes_from(std::string_view text);
std::string scopes_text(unsigned scopes);

}  // namespace tiltyard::identity
