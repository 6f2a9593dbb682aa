#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/backoff.h"
#include "base/clock.h"

namespace tiltyard::farm {

/// How often the jury may be called, by all senders together; paid when flags are handed out. Calls are spaced evenly
/// (no burst), as juries count them. When the jury says that it is too much, everybody pauses for as long as it says,
/// and the rate drops to seven tenths of what had just been tried; each quiet five seconds give back a twentieth, up to
/// what is configured (additive increase, multiplicative decrease: Chiu and Jain 1989). Pure; the caller tells the
/// time, which never goes back.
class Rate {
 public:
  /// Each second; 0: no limit is known.
  void configure(double calls_per_second, double flags_per_second) {
    if (calls_per_second == configured_calls_ && flags_per_second == configured_flags_) return;
    configured_calls_ = calls_per_second;
    configured_flags_ = flags_per_second;
    learned_ = 0;
  }

  /// From when on the next call is allowed.
  TimePoint next() const { return std::max({next_call_, next_flag_, paused_until_}); }
  bool allowed(TimePoint now) const { return next() <= now; }
  /// A call with so many flags leaves now.
  void paid(std::size_t flags, TimePoint now) {
    recover(now);
    next_call_ = now + interval(calls_per_second());
    next_flag_ = now + interval(configured_flags_) * static_cast<std::int64_t>(flags);
    recent_.push_back(now);
    while (recent_.size() > kRecent || recent_.front() + kWindow < now) recent_.pop_front();
  }
  /// The jury said: too many requests. `retry_after` as it said; zero: it did not.
  void limited(Duration retry_after, TimePoint now) {
    recover(now);
    ++limited_;
    if (retry_after <= Duration{0}) { retry_after = silent_pause_.next(); }
    paused_until_ = std::max(paused_until_, now + std::min(retry_after, kLongestPause));
    // Several senders may hear it of one and the same overload; it counts once.
    if (last_limited_ && now - *last_limited_ < kSameOverload) return;
    last_limited_ = now;
    const double tried =
        calls_per_second() > 0 ? std::min(calls_per_second(), std::max(recent_rate(now), kLeast)) : recent_rate(now);
    learned_ = std::max(tried * 0.7, kLeast);
    recovered_at_ = paused_until_;
  }
  /// It answered as it should.
  void answered(TimePoint now) {
    recover(now);
    if (now > paused_until_) silent_pause_.reset();
  }

  /// What is in force: the learned one, if there is one, else the configured; 0: none.
  double calls_per_second() const { return learned_ > 0 ? learned_ : configured_calls_; }
  double configured_calls() const { return configured_calls_; }
  double flags_per_second() const { return configured_flags_; }
  std::uint64_t limited_count() const { return limited_; }
  Duration paused(TimePoint now) const { return std::max(paused_until_ - now, Duration{0}); }

 private:
  static constexpr std::size_t kRecent = 1000;
  static constexpr Duration kWindow = std::chrono::seconds{10};
  static constexpr Duration kSameOverload = std::chrono::seconds{1};
  static constexpr Duration kRecoverEvery = std::chrono::seconds{5};
  static constexpr Duration kLongestPause = std::chrono::minutes{5};
  static constexpr double kLeast = 0.05;       ///< calls each second
  static constexpr double kForgetAt = 10'000;  ///< where a learned rate that nothing bounds stops to matter

  static Duration interval(double per_second) {
    return per_second > 0 ? Duration{static_cast<std::int64_t>(1e6 / per_second)} : Duration{0};
  }
  double recent_rate(TimePoint now) const {
    if (recent_.size() < 2) return 1;
    const auto span = std::max<Duration>(now - recent_.front(), std::chrono::milliseconds{100});
    return static_cast<double>(recent_.size()) / std::chrono::duration<double>(span).count();
  }
  void recover(TimePoint now) {
    while (learned_ > 0 && recovered_at_ + kRecoverEvery <= now) {
      recovered_at_ += kRecoverEvery;
      learned_ *= 1.05;
      if (learned_ >= (configured_calls_ > 0 ? configured_calls_ : kForgetAt)) learned_ = 0;
    }
  }

  double configured_calls_ = 0, configured_flags_ = 0, learned_ = 0;
  TimePoint next_call_{}, next_flag_{}, paused_until_{}, recovered_at_{};
  std::optional<TimePoint> last_limited_;
  Growing<Duration> silent_pause_{std::chrono::milliseconds{500}, std::chrono::seconds{30}};
  std::deque<TimePoint> recent_;
  std::uint64_t limited_ = 0;
};

}  // namespace tiltyard::farm
