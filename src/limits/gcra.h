#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace tiltyard::limits {

/// How often something may be done, as the generic cell rate algorithm has it (ITU-T I.371, annex A, "virtual
/// scheduling"): one more every `interval` microseconds in the long run, and `tolerance` = burst × interval
/// microseconds ahead of that. The state of a key is one number, its theoretical arrival time (TAT); a key whose TAT
/// has passed needs no state at all.
struct Quota {
  std::int64_t interval = 0;
  std::int64_t tolerance = 0;

  /// `count` each `window` microseconds (at most one a microsecond), `burst` of them at once; all at least 1. Rounded
  /// so that never more is allowed than said.
  static constexpr Quota of(std::int64_t burst, std::int64_t count, std::int64_t window) {
    const std::int64_t interval = std::max<std::int64_t>(1, (window + count - 1) / count);
    return {interval, interval * burst};
  }
  constexpr std::int64_t burst() const { return tolerance / interval; }

  // What follows from a debt: how far the key's TAT lies ahead of now, in microseconds (0: it has everything).
  constexpr bool affords(std::int64_t debt) const { return debt + interval <= tolerance; }
  constexpr std::int64_t left(std::int64_t debt) const {
    return std::max<std::int64_t>(0, (tolerance - debt) / interval);
  }
  /// Microseconds until one more is affordable.
  constexpr std::int64_t wait(std::int64_t debt) const {
    return std::max<std::int64_t>(0, debt + interval - tolerance);
  }
};

/// One quota that a request is to be charged to. The texts must live until the answer.
struct Charge {
  std::string_view limiter;  ///< its name
  std::string_view subject;  ///< whose share: a user's, team's or token's id, an address
  bool daily = false;        ///< the limiter's quota of the day rather than the short one
  Quota quota;
};

/// The most quotas that one request is charged to.
inline constexpr std::size_t kMostCharges = 10;

/// What came of charging a request: all of its quotas are charged, or none.
struct Outcome {
  bool allowed = true;
  std::array<std::int64_t, kMostCharges> debt{};  ///< of each charge, after the decision
};

}  // namespace tiltyard::limits
