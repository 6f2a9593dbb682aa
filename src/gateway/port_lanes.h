#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/endpoint_kind.h"
#include "base/result.h"

namespace tiltyard::gateway {

/// Gives out the gateway's ports (row 2.3); those of TCP and those of UDP are apart. The range is split into up to 32
/// equal lanes; BLAKE2b of "owner:template:port" picks the lane, a cursor per lane walks it; a full lane falls back to
/// the next ones. A port is taken only if `is_free` (a bind probe) says so. The same key gets its old port again while
/// that is free. Lives on the home loop; what is given out is remembered by the caller in the database and told again
/// with `restore`.
class PortLanes {
 public:
  using IsFree = std::function<bool(std::uint16_t port, Transport transport)>;

  PortLanes(std::uint16_t first, std::uint16_t last, IsFree is_free);

  /// `ports-exhausted` when no lane has a free port. `preferred`: the port this key had before.
  Result<std::uint16_t> allocate(const std::string& owner, const std::string& template_id, std::uint16_t machine_port,
                                 std::optional<std::uint16_t> preferred, Transport transport = Transport::kTcp);
  /// After a restart: this port is in use.
  void restore(std::uint16_t port, Transport transport = Transport::kTcp);
  void release(std::uint16_t port, Transport transport = Transport::kTcp);
  std::size_t in_use() const { return spaces_[0].used.size() + spaces_[1].used.size(); }
  std::size_t lane_of(const std::string& owner, const std::string& template_id, std::uint16_t machine_port) const;

 private:
  /// The ports of one transport.
  struct Space {
    std::vector<std::uint16_t> cursors;  ///< one a lane
    std::set<std::uint16_t> used;
  };
  Space& space_of(Transport transport) { return spaces_[static_cast<std::size_t>(transport)]; }

  std::uint16_t first_, last_;
  IsFree is_free_;
  std::array<Space, 2> spaces_;
};

}  // namespace tiltyard::gateway
