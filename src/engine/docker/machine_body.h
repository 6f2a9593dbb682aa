#pragma once

#include <string>

#include "engine/spec.h"

namespace tiltyard::engine::docker {

/// The label that tells whether a machine found by name is the one we would make: a hash of its whole body.
inline constexpr char kLabelSpec[] = "tiltyard.spec";

/// What the machine may write: "BYTES INODES".
inline constexpr char kLabelDisk[] = "tiltyard.disk";

/// Driver options of a network: its interface on the host, and whether machines on it meet.
inline constexpr char kBridgeOption[] = "com.docker.network.bridge.name";
inline constexpr char kPortTrafficOption[] = "com.docker.network.bridge.enable_icc";

struct BodyOptions {
  std::string log_driver;
  bool all_networks = false;  ///< the engine takes several endpoints at create (API 1.44 and later)
  bool limits_disk = false;   ///< its storage can limit what a machine writes
  std::string cgroup_parent;  ///< the group that all machines are in (slice.h); empty: the engine's own
};

struct Body {
  std::string json;
  std::string hash;
};

/// The body of POST /containers/create for a container: hardened, and no more open than the spec says. Pure.
Body machine_body(const MachineSpec& spec, const Labels& labels, const BodyOptions& options);

/// The body of POST /networks/create. Pure.
std::string network_body(const NetworkSpec& spec, const std::string& bridge, const Labels& labels);

/// The endpoint settings (static address, aliases) of one attachment, as JSON: for /networks/{name}/connect.
std::string connect_body(const std::string& machine, const Attachment& attachment);

}  // namespace tiltyard::engine::docker
