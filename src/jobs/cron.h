#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tiltyard::jobs {

/// A line of crontab(5) in a time zone of the system's tz database: five fields (minute, hour, day of month, month, day
/// of week) of numbers, names, ranges, steps and lists, or @hourly, @daily, @weekly, @monthly, @yearly. As there, a day
/// fits when either of two restricted day fields does.
///
/// Summer time: where every hour fits, real time counts, and nothing is left out or doubled. Otherwise a time that the
/// clock jumps over fires once, at the moment of the jump, and one that the clock shows twice fires the first time
/// only.
class Cron {
 public:
  /// `cron-invalid` says which field is wrong and how; `zone-unknown`; `cron-never` for a line like "0 0 30 2 *".
  static Result<Cron> parse(std::string_view line, std::string_view zone);

  /// The first moment after `after`, to the second; nullopt: there is none in the coming nine years (29 February is at
  /// most eight years away).
  std::optional<TimePoint> next(TimePoint after) const;

 private:
  struct Zone;
  Cron() = default;
  bool day_fits(int month, int day, int weekday) const;
  std::optional<TimePoint> in_day_by_wall_clock(std::int64_t day, TimePoint after) const;
  std::optional<TimePoint> in_day_by_real_time(std::int64_t day, TimePoint after) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = true, any_weekday_ = true;
  std::shared_ptr<const Zone> zone_;
};

}  // namespace tiltyard::jobs
