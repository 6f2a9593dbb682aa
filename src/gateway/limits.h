#pragma once

#include <cstddef>
#include <cstdint>

namespace tiltyard::gateway {

/// What one endpoint may have, or one owner with all instances; 0: as much as comes.
struct Limits {
  std::uint64_t bandwidth = 0;  ///< bytes a second, both ways together
  std::size_t connections = 0;  ///< at a time; of UDP: clients
  std::size_t openings = 0;     ///< new ones a second; a second's worth may come at once

  bool any() const { return bandwidth != 0 || connections != 0 || openings != 0; }
};

}  // namespace tiltyard::gateway
