#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "gateway/gateway.h"

/// What the gateway does at present, for staff: routes, and traffic over the last hour.
namespace tiltyard::traffic {

/// What there was in one interval, a second.
struct Sample {
  TimePoint at{};  ///< its end
  std::uint32_t open = 0;
  float connections = 0, bytes_in = 0, bytes_out = 0;  ///< new ones and bytes, each second

  bool quiet() const { return open == 0 && connections == 0 && bytes_in == 0 && bytes_out == 0; }
};

/// Remembers, in memory: an hour of all together, and the last ten minutes of instances that were used in them.
class Sampler {
 public:
  static constexpr std::chrono::seconds kEvery{5};
  static constexpr std::size_t kWhole = 720, kOfOne = 120;
  static constexpr std::size_t kInstances = 1000;  ///< the rest is counted in the whole alone

  /// `counts`: of every instance that is published, since it is.
  void take(TimePoint now, const std::map<std::string, gateway::Traffic>& counts);
  /// Oldest first; of one instance, or (empty) of all together.
  std::vector<Sample> samples(const std::string& instance) const;

 private:
  struct Count {
    std::uint64_t connections = 0, bytes_in = 0, bytes_out = 0;
  };
  std::map<std::string, Count> last_;
  TimePoint taken_{};
  std::deque<Sample> whole_;
  std::map<std::string, std::deque<Sample>> instances_;
};

}  // namespace tiltyard::traffic
