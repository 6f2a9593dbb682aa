#include "jobs/stats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tiltyard::jobs {
namespace {

constexpr std::size_t kMinutesKept = 120;
constexpr std::int64_t kRecentMinutes = 10, kRateSeconds = 60;

/// Microseconds up to four by themselves, then two bits below the highest one.
std::uint8_t class_of(std::uint64_t micros) {
  if (micros < 4) return static_cast<std::uint8_t>(micros);
  const int top = std::bit_width(micros) - 1;
  return static_cast<std::uint8_t>((top - 1) * 4 + static_cast<int>((micros >> (top - 2)) & 3));
}

/// The largest value of a class.
std::int64_t most_of(std::uint8_t number) {
  if (number < 4) return number;
  const int top = number / 4 + 1;
  return ((std::int64_t{4} + number % 4 + 1) << (top - 2)) - 1;
}

}  // namespace

void Lateness::add(Duration late) {
  late = std::max(late, Duration{0});
  ++counts_[class_of(static_cast<std::uint64_t>(late.count()))];
  ++count_;
  longest_ = std::max(longest_, late);
}

void Lateness::add(const Lateness& other) {
  for (const auto& [size, count] : other.counts_) counts_[size] += count;
  count_ += other.count_;
  longest_ = std::max(longest_, other.longest_);
}

Duration Lateness::percentile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t sum = 0;
  for (const auto& [size, count] : counts_) {
    sum += count;
    if (sum >= wanted) return std::min(Duration{most_of(size)}, longest_);
  }
  return longest_;
}

Stats::Minute& Stats::minute(TimePoint at) {
  const auto number = std::chrono::floor<std::chrono::minutes>(at).time_since_epoch().count();
  if (minutes_.empty() || minutes_.back().number < number) {
    minutes_.push_back({number, 0, 0, {}});
    while (minutes_.size() > kMinutesKept ||
           minutes_.front().number + static_cast<std::int64_t>(kMinutesKept) <= number)
      minutes_.pop_front();
  }
  return minutes_.back();
}

void Stats::started(TimePoint at, Duration late) { minute(at).lateness.add(late); }

void Stats::ended(TimePoint at, bool well) {
  Minute& now = minute(at);
  ++(well ? now.done : now.errors);
  const auto second = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  if (second > last_second_ + static_cast<std::int64_t>(seconds_.size())) seconds_.fill(0);
  else
    for (auto gone = last_second_ + 1; gone <= second; ++gone)
      seconds_[static_cast<std::size_t>(gone) % seconds_.size()] = 0;
  last_second_ = std::max(last_second_, second);
  ++seconds_[static_cast<std::size_t>(last_second_) % seconds_.size()];
}

double Stats::rate(TimePoint now) const {
  const auto second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::uint64_t sum = 0;
  for (auto one = std::max(second - kRateSeconds, last_second_ - static_cast<std::int64_t>(seconds_.size()) + 1);
       one <= last_second_; ++one) {
    sum += seconds_[static_cast<std::size_t>(one) % seconds_.size()];
  }
  return static_cast<double>(sum) / kRateSeconds;
}

Lateness Stats::recent(TimePoint now) const {
  const auto number = std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
  Lateness sum;
  for (const auto& minute : minutes_) {
    if (minute.number > number - kRecentMinutes) sum.add(minute.lateness);
  }
  return sum;
}

}  // namespace tiltyard::jobs
