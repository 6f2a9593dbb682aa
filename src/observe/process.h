#pragma once

#include <cstdint>

namespace tiltyard::metrics::detail {

/// What this process uses now, from /proc/self; a figure that cannot be read is 0.
struct ProcessUse {
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t most_files = 0;
  std::uint64_t threads = 0;
  double cpu_seconds = 0;
  double start_time = 0;  ///< seconds since 1970 UTC
};

ProcessUse process_use();

}  // namespace tiltyard::metrics::detail
