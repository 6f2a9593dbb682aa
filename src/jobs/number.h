#pragma once

#include <cstddef>
#include <cstdint>

namespace tiltyard::jobs {

/// The distance of two numbers that were taken together.
inline constexpr std::int64_t kNumberStep = 1 << 10;

/// The first of `count` new numbers for rows, each kNumberStep above the one before (see JobId). Grows from call to
/// call. Thread-safe.
std::int64_t next_number(std::size_t count = 1);
/// The smallest number that is made at or after `micros` since 1970.
std::int64_t number_at(std::int64_t micros);

}  // namespace tiltyard::jobs
