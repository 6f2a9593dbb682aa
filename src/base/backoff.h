#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tiltyard {

/// How long to wait before the next try: `first`, then `growth` times as long each time, never over `longest`.
template <class Duration>
class Growing {
 public:
  Growing(Duration first, Duration longest, double growth = 2) : first_(first), longest_(longest), growth_(growth) {
    reset();
  }
  /// The wait that is due now; the one after it is longer.
  Duration next() {
    const auto now = next_;
    // At least one tick more, so that a short wait grows too.
    const Duration grown(static_cast<typename Duration::rep>(static_cast<double>(now.count()) * growth_));
    next_ = std::min(std::max(grown, now + Duration(1)), longest_);
    return now;
  }
  Duration peek() const { return next_; }
  void reset() { next_ = std::min(first_, longest_); }

 private:
  Duration first_, longest_, next_;
  double growth_;
};

/// For what keeps only the number of its tries: `first` after the first, twice as long after each further one, at most
/// `longest`; and by `chance` (0 to 1) a quarter less to a quarter more, so that those who failed together do not come
/// back together.
template <class Duration>
Duration scattered_delay(Duration first, Duration longest, int failed_tries, double chance) {
  const double whole = std::min(static_cast<double>(first.count()) * std::exp2(std::clamp(failed_tries - 1, 0, 40)),
                                static_cast<double>(longest.count()));
  return Duration(static_cast<typename Duration::rep>(whole * (0.75 + 0.5 * chance)));
}

}  // namespace tiltyard
