#include "base/clock.h"

#include <fmt/format.h>

#include <optional>

namespace tiltyard {

std::string to_rfc3339(TimePoint time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::milliseconds>(time - day)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

namespace {

std::unexpected<Error> bad_time(std::string_view text) {
  return fail(Code::kInvalid, "invalid-time",
              fmt::format("'{}' is not a time; write it like 2026-03-01T12:00:00Z", text.substr(0, 40)));
}

/// Takes `count` decimal digits from the front; -1 if there are fewer.
int take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (const char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// Microseconds of ".123", with digits beyond the sixth cut off; -1 if no digit follows the point.
std::int64_t take_fraction(std::string_view& text) {
  std::int64_t micros = 0, unit = 100'000;
  if (text.empty() || text.front() < '0' || text.front() > '9') return -1;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    micros += (text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return micros;
}

/// "Z" or "+hh:mm" up to the end of the text.
std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return text.empty() ? std::optional(std::chrono::minutes{0}) : std::nullopt;
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!take(text, "+-")) return std::nullopt;
  const int hours = take_digits(text, 2);
  if (!take(text, ":")) return std::nullopt;
  const int minutes = take_digits(text, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || !text.empty()) return std::nullopt;
  return std::chrono::minutes{sign * (hours * 60 + minutes)};
}

}  // namespace

Result<TimePoint> parse_rfc3339(std::string_view text) {
  std::string_view rest = text;
  const int year = take_digits(rest, 4);
  bool shaped = take(rest, "-");
  const int month = take_digits(rest, 2);
  shaped = shaped && take(rest, "-");
  const int day = take_digits(rest, 2);
  shaped = shaped && take(rest, "Tt ");
  const int hour = take_digits(rest, 2);
  shaped = shaped && take(rest, ":");
  const int minute = take_digits(rest, 2);
  shaped = shaped && take(rest, ":");
  const int second = take_digits(rest, 2);
  if (!shaped || year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return bad_time(text);
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad_time(text);
  const std::int64_t micros = take(rest, ".") ? take_fraction(rest) : 0;
  const auto offset = take_offset(rest);
  if (micros < 0 || !offset) return bad_time(text);
  return TimePoint{std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours{hour} +
                   std::chrono::minutes{minute} + std::chrono::seconds{second} + Duration{micros} - *offset};
}

TimePoint SystemClock::now() const { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

}  // namespace tiltyard
