#include "jobs/number.h"

#include <algorithm>
#include <atomic>
#include <random>

#include "base/clock.h"

namespace tiltyard::jobs {
namespace {

/// Which process it is, as good as the ten bits allow: two servers of the same bits that take a number in the same
/// microsecond meet at the primary key, and one of the writes fails.
std::int64_t process_bits() {
  static const auto bits = static_cast<std::int64_t>(std::random_device{}() % kNumberStep);
  return bits;
}

std::atomic<std::int64_t> next_micros = 0;

}  // namespace

std::int64_t number_at(std::int64_t micros) { return micros * kNumberStep; }

std::int64_t next_number(std::size_t count) {
  const auto now = to_micros(SystemClock().now());
  auto known = next_micros.load();
  std::int64_t first = 0;
  do {
    first = std::max(known, now);
  } while (!next_micros.compare_exchange_weak(known, first + static_cast<std::int64_t>(count)));
  return number_at(first) + process_bits();
}

}  // namespace tiltyard::jobs
