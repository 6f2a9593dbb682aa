#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "jobs/cron.h"
#include "jobs/model.h"

namespace tiltyard::jobs {

/// When a recurring job fires. As a text it stands in the job's row: "every 600000 ms" or "cron 0 3 * * * @
/// Europe/Berlin".
class Schedule {
 public:
  /// From 10 ms to 366 days: `interval-invalid`. With Keep::kDisk each firing is a write: think in seconds there.
  static Result<Schedule> every(std::chrono::milliseconds period);
  /// Errors as for Cron::parse.
  static Result<Schedule> cron(std::string_view line, std::string_view zone);
  static Result<Schedule> parse(std::string_view text);

  const std::string& text() const { return text_; }

  /// When it fires first, if it is made at `now`.
  TimePoint first(TimePoint now) const;
  /// When it fires after the firing that was due at `due`. An interval is counted from `due`, so it does not drift.
  TimePoint after(TimePoint due, TimePoint now, Missed missed) const;

 private:
  std::string text_;
  std::variant<std::chrono::milliseconds, Cron> when_{std::chrono::milliseconds{0}};
};

}  // namespace tiltyard::jobs
