#pragma once

#include <optional>
#include <string_view>

#include "net/router.h"

namespace tiltyard::house {

using http::Access;

/// What a token may be used for; who has no token in between may do all of it. The role counts as well.
enum class Scope : unsigned { kRead = 1, kInstances = 2, kFlags = 4, kAccount = 8, kAdmin = 16 };
inline constexpr unsigned kAllScopes = 31;
std::string_view to_string(Scope scope);
/// nullopt: no scope has that name.
std::optional<Scope> scope_named(std::string_view name);

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

/// Who may call a route. Whether the thing that it names is theirs is its handler's matter, as `whose` says.
struct Rights {
  Access access;
  Scope scope = Scope::kRead;
  Whose whose = Whose::kNobody;
  Proof proof = Proof::kAny;
};

}  // namespace tiltyard::house
