#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "gateway/event_loop.h"
#include "gateway/limits.h"

namespace tiltyard::gateway {

/// How much of its limits one endpoint, or one owner with all instances, has used: by all loops. Two atomics for each
/// connection, one for each time that bytes are moved (up to a megabyte of them); nothing where nothing is limited.
class Meter {
 public:
  explicit Meter(const Limits& limits) : limits_(limits) {}

  /// A connection more. False: there are too many, or too many have just come.
  bool enter(Instant now);
  void leave() { open_.fetch_sub(1, std::memory_order_relaxed); }
  void spend(std::uint64_t bytes, Instant now);
  /// From when on bytes may be moved; not later than now: at once.
  Instant free_at() const;

 private:
  const Limits limits_;
  std::atomic<std::size_t> open_{0};
  std::atomic<std::int64_t> next_opening_{0}, next_byte_{0};  ///< nanoseconds of the loops' clock
};

}  // namespace tiltyard::gateway
