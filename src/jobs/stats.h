#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "base/clock.h"

namespace tiltyard::jobs {

/// How late firings started, in one stretch of time: counts by size, four steps for each doubling, so within 10 % or
/// so.
class Lateness {
 public:
  void add(Duration late);
  void add(const Lateness& other);
  /// The lateness that `share` (0 to 1) of all firings kept to; zero if there are none.
  Duration percentile(double share) const;
  Duration longest() const { return longest_; }
  std::uint64_t count() const { return count_; }

 private:
  std::map<std::uint8_t, std::uint32_t> counts_;
  std::uint64_t count_ = 0;
  Duration longest_{};
};

/// What one kind has done of late, for the board. Kept in memory; the rows of firings are the record.
class Stats {
 public:
  struct Minute {
    std::int64_t number = 0;  ///< minutes since 1970
    std::uint64_t done = 0, errors = 0;
    Lateness lateness;
  };

  void started(TimePoint at, Duration late);
  void ended(TimePoint at, bool well);
  /// Firings that ended in the last sixty seconds, a second.
  double rate(TimePoint now) const;
  /// Of the last ten minutes with firings in them.
  Lateness recent(TimePoint now) const;
  /// The last two hours, oldest first; minutes without firings are left out.
  const std::deque<Minute>& minutes() const { return minutes_; }

 private:
  Minute& minute(TimePoint at);

  std::deque<Minute> minutes_;
  std::array<std::uint32_t, 64> seconds_{};
  std::int64_t last_second_ = 0;
};

}  // namespace tiltyard::jobs
