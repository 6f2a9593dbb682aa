#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "ports/policy.h"

namespace tiltyard::ports {

using PortSet = std::set<std::uint16_t>;

/// A port of a machine that is not in `taken`: not one that programs have by habit, nor one that a kernel gives to
/// connections going out, as far as the policy leaves a choice. The same for the same seed, and for others mostly
/// another one; nullopt: there is none.
std::optional<std::uint16_t> free_port(std::string_view seed, const PortSet& taken, const Policy& policy);

/// Which ports somebody has been told to use, for a quarter of an hour, so that nobody else is told the same.
class Promises {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kKept{15};
  static constexpr std::size_t kMost = 2000;  ///< the oldest goes first

  void make(std::string machine, std::uint16_t port, std::string to, Time now);
  /// What others than `who` have been promised of this machine.
  PortSet of_others(std::string_view machine, std::string_view who, Time now);

 private:
  struct Promise {
    std::string machine;
    std::uint16_t port = 0;
    std::string to;
    Time until;
  };
  std::deque<Promise> made_;  ///< by when they end
};

}  // namespace tiltyard::ports
