#pragma once

#include <cstdint>

namespace tiltyard::engine::isolation {

/// What machines may take of what the host has once for all. Generous: to stop floods, not work.
struct MachineLimits {
  std::int64_t packets = 100'000;    ///< a second, all that it sends
  std::int64_t connections = 4'096;  ///< tracked at once: the gateway's to it, and its own to the internet
  std::int64_t openings = 200;       ///< connections to the internet that it begins, a second
  std::int64_t memory = 0;           ///< bytes of all of them together; 0: the host's less a reserve
};

}  // namespace tiltyard::engine::isolation
