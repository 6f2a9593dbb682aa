#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace tiltyard::gateway {

/// Gives out the gateway's TCP ports (row 2.3). The range is split into up to 32 equal lanes; BLAKE2b of
/// "owner:template:port" picks the lane, a cursor per lane walks it; a full lane falls back to the next ones. A port is
/// taken only if `is_free` (a bind probe) says so. The same key gets its old port again while that is free. Lives on
/// the home loop; what is given out is remembered by the caller in the database and told again with `restore`.
class PortLanes {
 public:
  PortLanes(std::uint16_t first, std::uint16_t last, std::function<bool(std::uint16_t)> is_free);

  /// `ports-exhausted` when no lane has a free port. `preferred`: the port this key had before.
  Result<std::uint16_t> allocate(const std::string& owner, const std::string& template_id, std::uint16_t machine_port,
                                 std::optional<std::uint16_t> preferred);
  /// After a restart: this port is in use.
  void restore(std::uint16_t port);
  void release(std::uint16_t port);
  std::size_t in_use() const { return used_.size(); }
  std::size_t lane_of(const std::string& owner, const std::string& template_id, std::uint16_t machine_port) const;

 private:
  std::uint16_t first_, last_;
  std::function<bool(std::uint16_t)> is_free_;
  std::vector<std::uint16_t> cursors_;
  std::set<std::uint16_t> used_;
};

}  // namespace tiltyard::gateway
