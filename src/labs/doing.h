#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tiltyard::labs {

/// What is being done with an instance, one thing at a time. Whoever does it has a `Hold` on it.
enum class Doing : std::uint8_t {
  kNothing,
  kSpawning,
  kClaiming,
  kPausing,
  kWaking,
  kMending,
  kRerouting,  ///< the gateway learns of an endpoint that comes or goes while it is up
  kStopping
};

/// What follows when that is over, because it came meanwhile.
enum class Next : std::uint8_t {
  kNothing,
  kLook,  ///< the engine told of a machine that ended
  kStop,  ///< somebody asked for its end
};

/// How the machines of one that waits in a pool are kept for its owner.
enum class Kept : std::uint8_t {
  kRunning,
  kCreated,  ///< not started before the claim
  kFrozen,   ///< paused until the claim
};

std::string_view to_string(Doing doing);

inline constexpr std::array kAllDoings{Doing::kNothing, Doing::kSpawning, Doing::kClaiming,  Doing::kPausing,
                                       Doing::kWaking,  Doing::kMending,  Doing::kRerouting, Doing::kStopping};

/// Whether `to` may come right after `from`. Anything may begin where nothing is done, and anything may turn into its
/// end or find that a machine has ended; beyond these, one thing only turns into another.
constexpr bool may_follow(Doing from, Doing to) {
  switch (from) {
    case Doing::kNothing:
      return to != Doing::kNothing;
    case Doing::kClaiming:
      if (to == Doing::kSpawning) return true;  // its machines were only created: now they start
      [[fallthrough]];
    case Doing::kSpawning:
    case Doing::kPausing:
    case Doing::kWaking:
    case Doing::kMending:
    case Doing::kRerouting:
      return to == Doing::kNothing || to == Doing::kMending || to == Doing::kStopping;
    case Doing::kStopping:
      return to == Doing::kNothing;  // it is gone, or its end could not be written down
  }
  return false;
}

/// What is done with one instance, and what follows.
class Work {
 public:
  Doing doing() const { return doing_; }
  Next next() const { return next_; }
  bool free() const { return doing_ == Doing::kNothing; }
  /// It is on its way out, or will be as soon as whoever has it in hand lets go.
  bool ending() const { return doing_ == Doing::kStopping || next_ == Next::kStop; }

  /// Only as `may_follow` allows.
  void move(Doing to);
  /// While something is done; what is ending already is not looked at.
  void ask(Next next);
  /// Whether its machines are to be looked at, which is the caller's from here on.
  bool take_look();

 private:
  Doing doing_ = Doing::kNothing;
  Next next_ = Next::kNothing;
};

}  // namespace tiltyard::labs
