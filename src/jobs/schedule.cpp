#include "jobs/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tiltyard::jobs {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestPeriod{10};
constexpr milliseconds kLongest = std::chrono::hours{24 * 366};
constexpr std::string_view kEvery = "every ", kMillis = " ms", kCron = "cron ", kIn = " @ ";

/// Where a cron line that was good has no further moment: the last one that rows and clocks can hold.
constexpr TimePoint kEndOfTime{Duration{253'402'300'799'000'000}};

}  // namespace

std::string_view to_string(JobState state) {
  switch (state) {
    case JobState::kWaiting:
      return "waiting";
    case JobState::kRunning:
      return "running";
    case JobState::kFailed:
      return "failed";
    case JobState::kDone:
      return "done";
  }
  return "waiting";
}

Result<Schedule> Schedule::every(milliseconds period) {
  if (period < kShortestPeriod || period > kLongest) {
    return fail(Code::kInvalid, "interval-invalid", "An interval goes from 10 milliseconds to 366 days.");
  }
  Schedule schedule;
  schedule.text_ = fmt::format("{}{}{}", kEvery, period.count(), kMillis);
  schedule.when_ = period;
  return schedule;
}

Result<Schedule> Schedule::cron(std::string_view line, std::string_view zone) {
  auto cron = Cron::parse(line, zone);
  if (!cron) return fail(std::move(cron.error()));
  Schedule schedule;
  schedule.text_ = fmt::format("{}{}{}{}", kCron, line, kIn, zone);
  schedule.when_ = std::move(*cron);
  return schedule;
}

Result<Schedule> Schedule::parse(std::string_view text) {
  if (text.starts_with(kEvery) && text.ends_with(kMillis)) {
    const auto number = text.substr(kEvery.size(), text.size() - kEvery.size() - kMillis.size());
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error == std::errc{} && end == number.data() + number.size()) return every(milliseconds{value});
  }
  const auto in = text.rfind(kIn);
  if (text.starts_with(kCron) && in != std::string_view::npos && in >= kCron.size()) {
    return cron(text.substr(kCron.size(), in - kCron.size()), text.substr(in + kIn.size()));
  }
  return fail(Code::kInvalid, "schedule-invalid", fmt::format("\"{}\" is no schedule.", text.substr(0, 80)));
}

TimePoint Schedule::first(TimePoint now) const {
  if (const auto* period = std::get_if<milliseconds>(&when_)) return now + *period;
  return std::get<Cron>(when_).next(now).value_or(kEndOfTime);
}

TimePoint Schedule::after(TimePoint due, TimePoint now, Missed missed) const {
  if (const auto* period = std::get_if<milliseconds>(&when_)) {
    const auto behind = (now - due) / *period;
    if (missed == Missed::kAll && behind <= kMostCaughtUp) return due + *period;
    return due + *period * (std::max<std::int64_t>(behind, 0) + 1);
  }
  const auto& cron = std::get<Cron>(when_);
  auto next = cron.next(due);
  if (missed == Missed::kAll) {
    // How far behind it is, no further than it may catch up.
    int behind = 0;
    for (auto at = next; at && *at <= now && behind <= kMostCaughtUp; at = cron.next(*at)) ++behind;
    if (behind <= kMostCaughtUp) return next.value_or(kEndOfTime);
  }
  return cron.next(std::max(due, now)).value_or(kEndOfTime);
}

}  // namespace tiltyard::jobs
