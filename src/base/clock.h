#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tiltyard {

/// A wall-clock instant in integer microseconds since 1970 UTC: what the store keeps and the API prints.
using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

inline std::int64_t to_micros(TimePoint time) { return time.time_since_epoch().count(); }
inline TimePoint from_micros(std::int64_t micros) { return TimePoint{Duration{micros}}; }

/// RFC 3339 in UTC with milliseconds, "2026-03-01T12:00:00.000Z".
std::string to_rfc3339(TimePoint time);
/// Reads RFC 3339 with any offset; `invalid-time` otherwise.
Result<TimePoint> parse_rfc3339(std::string_view text);

/// Where domain code gets the time from, so that tests can turn it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
};

/// A clock that stands still until a test moves it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(TimePoint start) : now_(start) {}
  TimePoint now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  TimePoint now_;
};

}  // namespace tiltyard
