#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gateway/counters.h"

namespace tiltyard::gateway {

class Shard;

/// What a gateway has done since its start, over all loops.
struct Totals {
  std::array<std::uint64_t, 6> requests{};  ///< by class of status; [0]: ended without an answer
  std::array<std::uint64_t, 3> handshakes{};
  std::uint64_t connections = 0, bytes_in = 0, bytes_out = 0, upstream_errors = 0, routes = 0;
  std::uint64_t udp_flows = 0, udp_pushed_out = 0;
  std::array<std::uint64_t, kDropReasons> udp_dropped{};

  static Totals of(const std::vector<std::shared_ptr<Shard>>& shards, std::size_t routes);
};

/// Has tiltyard_gateway_* brought up to date at each exposition, for as long as `state` lives.
void report_metrics(std::weak_ptr<void> state, std::function<Totals(const void*)> totals_of);

}  // namespace tiltyard::gateway
