#include "jobs/cron.h"

#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

#include "base/text.h"

namespace tiltyard::jobs {
namespace {

constexpr int kYearsAhead = 9;

struct Field {
  std::string_view name;
  int least, most;
  std::span<const std::string_view> names;  ///< of least, least + 1, ...
};

constexpr std::array<std::string_view, 12> kMonthNames = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDayNames = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::array<Field, 5> kFields = {Field{"minute", 0, 59, {}}, Field{"hour", 0, 23, {}},
                                          Field{"day of month", 1, 31, {}}, Field{"month", 1, 12, kMonthNames},
                                          Field{"day of week", 0, 7, kDayNames}};

std::unexpected<Error> invalid(const Field& field, std::string_view text) {
  return fail(
      Code::kInvalid, "cron-invalid",
      fmt::format(
          "\"{}\" is no {} of a cron line; numbers go from {} to {}{}.", text.substr(0, 40), field.name, field.least,
          field.most,
          field.names.empty() ? "" : fmt::format(", names from {} to {}", field.names.front(), field.names.back())));
}

std::optional<int> field_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> value_of(const Field& field, std::string_view text) {
  const auto lowered = lower(text);
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (lowered == field.names[i]) return field.least + static_cast<int>(i);
  }
  const auto value = field_number(text);
  if (!value || *value < field.least || *value > field.most) return std::nullopt;
  return value;
}

/// "*", "7", "1-5", each with "/2" behind it if need be. A single number with a step goes on to the end of the range.
template <std::size_t N>
Result<> read_item(const Field& field, std::string_view item, std::bitset<N>& into) {
  const auto slash = item.find('/');
  const auto range = item.substr(0, slash);
  int step = 1, first = field.least, last = field.most;
  if (slash != std::string_view::npos) {
    const auto given = field_number(item.substr(slash + 1));
    if (!given || *given < 1 || *given > field.most) return invalid(field, item);
    step = *given;
  }
  if (range != "*") {
    const auto dash = range.find('-');
    const auto from = value_of(field, range.substr(0, dash));
    auto to = dash == std::string_view::npos ? from : value_of(field, range.substr(dash + 1));
    // Sunday by name ends a week as well as it begins one.
    if (N == 7 && to == 0 && from && *from > 0) to = 7;
    if (!from || !to || *from > *to) return invalid(field, item);
    first = *from;
    if (dash != std::string_view::npos || slash == std::string_view::npos) last = *to;
  }
  // Sunday is 0 and 7.
  for (int value = first; value <= last; value += step) into.set(static_cast<std::size_t>(N == 7 ? value % 7 : value));
  return {};
}

template <std::size_t N>
Result<> read_field(const Field& field, std::string_view text, std::bitset<N>& into) {
  while (true) {
    const auto comma = text.find(',');
    if (auto read = read_item(field, text.substr(0, comma), into); !read) return read;
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

std::string_view spelled_out(std::string_view text) {
  const auto line = lower(text);
  if (line == "@hourly") return "0 * * * *";
  if (line == "@daily" || line == "@midnight") return "0 0 * * *";
  if (line == "@weekly") return "0 0 * * 0";
  if (line == "@monthly") return "0 0 1 * *";
  if (line == "@yearly" || line == "@annually") return "0 0 1 1 *";
  return text;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const auto start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return words;
    line.remove_prefix(start);
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

/// absl takes a name that begins with a slash or a colon as a path: names only.
bool is_zone_name(std::string_view zone) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '_' || c == '-' || c == '+';
  };
  return !zone.empty() && zone.size() <= 64 && std::ranges::all_of(zone, plain) && zone.front() != '/';
}

TimePoint point_of(absl::Time time) { return from_micros(absl::ToUnixMicros(time)); }

}  // namespace

struct Cron::Zone {
  absl::TimeZone zone;
};

Result<Cron> Cron::parse(std::string_view text, std::string_view zone) {
  const auto line = trim(text);
  const auto words = words_of(spelled_out(line));
  if (line.starts_with('@') && words.front().starts_with('@')) {
    return fail(Code::kInvalid, "cron-invalid",
                fmt::format("\"{}\" is not known; there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and "
                            "@annually. What comes every few minutes is \"*/5 * * * *\".",
                            line.substr(0, 40)));
  }
  if (words.size() != kFields.size() || line.size() > 500) {
    return fail(Code::kInvalid, "cron-invalid",
                "A cron line has five fields: minute, hour, day of month, month and day of week.");
  }
  Cron cron;
  Zone found;
  if (!is_zone_name(zone) || !absl::LoadTimeZone(std::string(zone), &found.zone)) {
    return fail(Code::kInvalid, "zone-unknown",
                fmt::format("There is no time zone \"{}\"; write it like Europe/Berlin.", zone.substr(0, 64)));
  }
  cron.zone_ = std::make_shared<const Zone>(found);
  auto read = read_field(kFields[0], words[0], cron.minutes_);
  if (read) read = read_field(kFields[1], words[1], cron.hours_);
  if (read) read = read_field(kFields[2], words[2], cron.days_);
  if (read) read = read_field(kFields[3], words[3], cron.months_);
  if (read) read = read_field(kFields[4], words[4], cron.weekdays_);
  if (!read) return fail(std::move(read.error()));
  cron.any_day_ = words[2].starts_with('*');
  cron.any_weekday_ = words[4].starts_with('*');
  if (!cron.next(SystemClock().now())) {
    return fail(Code::kInvalid, "cron-never", fmt::format("\"{}\" never fires: there is no such day.", line));
  }
  return cron;
}

bool Cron::day_fits(int month, int day, int weekday) const {
  if (!months_.test(static_cast<std::size_t>(month))) return false;
  const bool in_month = days_.test(static_cast<std::size_t>(day)),
             in_week = weekdays_.test(static_cast<std::size_t>(weekday));
  if (any_day_ || any_weekday_) return in_month && in_week;
  return in_month || in_week;
}

std::optional<TimePoint> Cron::next(TimePoint after) const {
  const auto& zone = zone_->zone;
  const auto start = absl::ToCivilDay(absl::FromUnixMicros(to_micros(after)), zone);
  for (auto day = start; day.year() < start.year() + kYearsAhead; ++day) {
    const int weekday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;  // absl counts from Monday
    if (!day_fits(day.month(), day.day(), weekday)) continue;
    const auto number = day - absl::CivilDay();
    const auto found = hours_.all() ? in_day_by_real_time(number, after) : in_day_by_wall_clock(number, after);
    if (found) return found;
  }
  return std::nullopt;
}

std::optional<TimePoint> Cron::in_day_by_wall_clock(std::int64_t number, TimePoint after) const {
  const auto day = absl::CivilDay() + number;
  for (int hour = 0; hour < 24; ++hour) {
    if (!hours_.test(static_cast<std::size_t>(hour))) continue;
    for (int minute = 0; minute < 60; ++minute) {
      if (!minutes_.test(static_cast<std::size_t>(minute))) continue;
      const auto moment = zone_->zone.At(absl::CivilSecond(day.year(), day.month(), day.day(), hour, minute, 0));
      const bool skipped = moment.kind == absl::TimeZone::TimeInfo::SKIPPED;
      const auto time = point_of(skipped ? moment.trans : moment.pre);
      if (time > after) return time;
    }
  }
  return std::nullopt;
}

std::optional<TimePoint> Cron::in_day_by_real_time(std::int64_t number, TimePoint after) const {
  constexpr std::chrono::minutes kMinute{1};
  const auto day = absl::CivilDay() + number;
  const auto begin = std::max(point_of(zone_->zone.At(absl::CivilSecond(day)).pre),
                              TimePoint(std::chrono::floor<std::chrono::minutes>(after) + kMinute));
  const auto end = point_of(zone_->zone.At(absl::CivilSecond(day + 1)).pre);
  for (TimePoint time = begin; time < end; time += kMinute) {
    const auto local = absl::ToCivilMinute(absl::FromUnixMicros(to_micros(time)), zone_->zone);
    if (minutes_.test(static_cast<std::size_t>(local.minute()))) return time;
  }
  return std::nullopt;
}

}  // namespace tiltyard::jobs
