#pragma once

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/clock.h"

namespace tiltyard::farm {

/// Wall-clock time that never jumps: it runs with the steady clock from where the wall clock stood at the start, and
/// follows a wall clock that was set by a hundredth of the time that passes. So no clock that somebody sets makes flags
/// expire or leases end, within one life of the process; and `not_before` keeps it from going back from one life to the
/// next. Lives on one loop.
class FarmTime {
 public:
  using Steady = std::function<std::chrono::steady_clock::time_point()>;

  explicit FarmTime(
      const Clock& wall, Steady steady = [] { return std::chrono::steady_clock::now(); })
      : wall_(wall), steady_(std::move(steady)), last_steady_(steady_()), now_(wall.now()) {}

  void not_before(TimePoint least) { now_ = std::max(now_, least); }

  TimePoint now() {
    const auto steady = steady_();
    const auto passed = std::chrono::duration_cast<Duration>(steady - last_steady_);
    if (passed <= Duration{0}) return now_;
    last_steady_ += passed;
    now_ += passed;
    const Duration most = passed / 100;
    now_ += std::clamp(wall_.now() - now_, -most, most);
    return now_;
  }

 private:
  const Clock& wall_;
  Steady steady_;
  std::chrono::steady_clock::time_point last_steady_;
  TimePoint now_;
};

}  // namespace tiltyard::farm
