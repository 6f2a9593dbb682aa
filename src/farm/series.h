#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace tiltyard::farm {

/// What happened in one step of time.
struct Counts {
  std::uint32_t received = 0, duplicate = 0, sent = 0, accepted = 0, rejected = 0, skipped = 0;
  std::uint32_t queued = 0;  ///< waiting at the step's end
};

/// Counts over time, for plots: one ring of short steps, one of long ones. Time never goes back here.
class Series {
 public:
  struct Point {
    TimePoint at;
    Counts counts;
  };

  /// The counts of the step that `now` lies in; the caller adds to them. Each is in both rings.
  class Now {
   public:
    Now(Counts& first, Counts& second) : counts_{&first, &second} {}
    void add(std::uint32_t Counts::* what, std::uint32_t by = 1) {
      for (auto* counts : counts_) counts->*what += by;
    }
    void set(std::uint32_t Counts::* what, std::uint32_t value) {
      for (auto* counts : counts_) counts->*what = value;
    }

   private:
    std::array<Counts*, 2> counts_;
  };
  Now at(TimePoint now) { return {fine_.at(now), coarse_.at(now)}; }

  std::vector<Point> fine(TimePoint now) { return fine_.points(now); }
  std::vector<Point> coarse(TimePoint now) { return coarse_.points(now); }
  /// Of something, each second, over the last whole fine step.
  double per_second(std::uint32_t Counts::* what, TimePoint now) {
    fine_.at(now);
    return fine_.before_last().*what / std::chrono::duration<double>(fine_.step()).count();
  }

 private:
  class Ring {
   public:
    Ring(std::chrono::seconds step, std::size_t points) : step_(step), points_(points) {}
    Counts& at(TimePoint now) {
      const auto step = now.time_since_epoch() / step_;
      if (last_ == 0) last_ = step;
      const auto behind = step - last_;
      for (std::int64_t i = 0; i < behind && i < static_cast<std::int64_t>(points_.size()); ++i) {
        const auto queued = points_[place_].queued;
        place_ = (place_ + 1) % points_.size();
        points_[place_] = Counts{};
        points_[place_].queued = queued;
        used_ = std::min(used_ + 1, points_.size());
      }
      if (behind > 0) last_ = step;
      return points_[place_];
    }
    std::vector<Point> points(TimePoint now) {
      at(now);
      std::vector<Point> out;
      for (std::size_t i = 0; i < used_; ++i) {
        const auto back = static_cast<std::int64_t>(used_ - 1 - i);
        const auto& counts = points_[(place_ + points_.size() - static_cast<std::size_t>(back)) % points_.size()];
        out.push_back({TimePoint{Duration{step_} * (last_ - back)}, counts});
      }
      return out;
    }
    const Counts& before_last() const { return points_[(place_ + points_.size() - 1) % points_.size()]; }
    std::chrono::seconds step() const { return step_; }

   private:
    std::chrono::seconds step_;
    std::vector<Counts> points_;
    std::int64_t last_ = 0;  ///< the number of the newest step, counted from 1970
    std::size_t place_ = 0, used_ = 1;
  };

  Ring fine_{std::chrono::seconds{10}, 360};
  Ring coarse_{std::chrono::seconds{60}, 1440};
};

}  // namespace tiltyard::farm
