#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "limits/gcra.h"

namespace tiltyard::limits {

/// Whose share a limiter counts. Addresses are those of the client (behind trusted proxies too); IPv6 counts by /64,
/// which is what one subscriber is given (RFC 6177).
enum class Key { kUser, kTeam, kAddress, kToken, kName };
std::string_view to_string(Key key);

/// The numbers of a limiter that staff may change.
struct Rates {
  std::int64_t burst = 1;    ///< at once
  std::int64_t rate = 1;     ///< in the long run, each window
  std::int64_t per_day = 0;  ///< 0: the day has no limit of its own
  bool operator==(const Rates&) const = default;
};
inline constexpr std::int64_t kMostRate = 10'000'000;
inline constexpr std::int64_t kMostPerDay = 1'000'000'000;

/// A limiter, declared once, by the capability whose routes pass it. Teams stand for their members where there are
/// teams: see Caller.
struct Limiter {
  std::string_view name;
  std::string_view about;  ///< for staff: what it is for
  Key key;
  Rates standard;
  std::chrono::seconds window{60};
  bool counts_everything = false;  ///< its routes do not pass "address" as well

  Quota short_quota(const Rates& rates) const {
    return Quota::of(rates.burst, rates.rate, std::chrono::microseconds(window).count());
  }
  static Quota daily_quota(const Rates& rates) {
    return Quota::of(rates.per_day, rates.per_day, std::chrono::microseconds(std::chrono::hours{24}).count());
  }
};

/// Those that belong to no capability: for what reads, for what staff change, and for everything.
std::vector<Limiter> standard_limiters();

}  // namespace tiltyard::limits
