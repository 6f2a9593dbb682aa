#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/door.h"
#include "net/shares.h"

/// Whose door it is: what lets a visitor through to an instance that is its owner's alone. Right and wrong are decided
/// above (src/doors); here is what a connection's own loop can tell by itself, without asking anybody.
namespace tiltyard::gateway {

using Millis = std::uint64_t;  ///< since 1970
Millis millis_now();

/// Somebody or something that a right comes from (a user, a team, a shared link), as passes name it: 48 bits made of
/// its id. Two that are called alike by chance lose a pass together, and nothing else.
using Party = std::uint64_t;
Party party_of(std::string_view id);

/// What a visitor carries: made by the server for one user and one instance, believed by its MAC (keyed BLAKE2b, 128
/// bits) and by nothing else. Its text has kPassText characters (RFC 4648's base 32 in small letters), so that it can
/// be a label of a name.
struct Pass {
  enum class Kind : std::uint8_t {
    kGrant,   ///< becomes a cookie, once and within kGrantLives, on the one host that it is for
    kCookie,  ///< of the one host that it is for
    kToken,   ///< shown to the owner: for programs; of all the instance's endpoints
  };
  Kind kind = Kind::kGrant;
  Party visitor = 0;        ///< the user
  Party via = 0;            ///< what the right comes from beside that: the team, the shared link; 0: nothing
  Millis issued = 0;        ///< a party that has been revoked since is let in no more
  std::uint32_t lives = 0;  ///< seconds; at most 2^24 - 1. Of a grant: those of the cookie
};
inline constexpr std::size_t kPassText = 61;
inline constexpr Millis kGrantLives = 30'000;

/// The cookie of the gateway on an instance's host. A browser takes the second from nobody but that host itself, over
/// TLS (RFC 6265bis, 4.1.3.2).
inline constexpr std::string_view kDoorCookie = "tiltyard-door", kSecureDoorCookie = "__Host-tiltyard-door";
constexpr std::string_view door_cookie(bool secure) { return secure ? kSecureDoorCookie : kDoorCookie; }
/// Whether a Cookie field has one of them.
bool has_door_cookie(std::string_view field);
/// The same field without them; may become empty.
void append_without_door_cookie(std::string_view field, std::string& out);
/// Whether a Set-Cookie field would set one of them, also by way of a cookie without a name.
bool sets_door_cookie(std::string_view field);

/// Paths of every instance's host that are the gateway's own: no machine gets a request for them.
inline constexpr std::string_view kReservedPath = "/.tiltyard/", kDoorPath = "/.tiltyard/door/";

struct DoorKey {
  std::uint8_t id = 0;  ///< 0 to 63
  std::array<unsigned char, 32> secret{};
};

/// What a pass is for.
struct DoorPlace {
  std::string_view instance;
  std::string_view host;  ///< as the visitor knows it: small letters, no port; of a token: empty
};

/// What one loop knows of doors; each has a copy of its own. Bounded: 100,000 of what is revoked (more, and all passes
/// of before are), and as many addresses (more, and they are asked for their token).
class DoorBook {
 public:
  /// The first makes passes; all of them check.
  void use(std::vector<DoorKey> keys) { keys_ = std::move(keys); }
  /// Empty: there is no key, or the place has too long a name.
  std::string mint(const Pass& pass, DoorPlace place) const;
  /// nullopt: forged, of another kind, for another place, over, or revoked. Allocates nothing.
  std::optional<Pass> check(std::string_view text, Pass::Kind kind, DoorPlace place, Millis now) const;
  /// Whose cookie a Cookie field brings, or whose token in its place. Among others of the same name, such as a
  /// sibling's script can set, one that is right is enough.
  std::optional<Pass> visitor(std::string_view field, bool secure, DoorPlace place, Millis now) const;

  /// What was issued to this party until then lets nobody in; 0: to anybody.
  void revoke(Party party, Millis until);
  bool is_revoked(const Pass& pass) const;

  /// From this address its owner has used the page or the API.
  struct Known {
    Party visitor = 0, via = 0;
    Millis issued = 0, until = 0;
  };
  void know(net::Holder owner, net::Holder address, Known known);
  std::optional<Pass> known(net::Holder owner, net::Holder address, Millis now) const;

  std::string page;  ///< the origin where visitors say who they are

 private:
  std::vector<DoorKey> keys_;
  std::unordered_map<Party, Millis> revoked_;
  Millis all_revoked_ = 0;
  std::unordered_map<std::uint64_t, Known> known_;
};

/// What the loops have to remember together: grants that were used, and who has shown wrong tokens. Thread-safe, and
/// asked only where somebody comes in, never for a request.
class DoorMemory {
 public:
  /// False: it was used before, or too many are being used. `pass` is good by itself.
  bool use_up(std::string_view pass, Millis now);
  /// Whether somebody may show one more token: at most three wrong ones a minute.
  bool may_try(net::Holder address, Millis now);
  void tried_in_vain(net::Holder address, Millis now);

 private:
  struct Tries {
    Millis minute = 0;
    int count = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Millis> used_;
  std::unordered_map<net::Holder, Tries> tries_;
};

}  // namespace tiltyard::gateway
