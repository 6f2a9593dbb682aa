#pragma once

#include <string>

#include "engine/spec.h"

namespace tiltyard::engine::docker {

/// The label that tells whether a machine found by name is the one we would make: a hash of its whole body.
inline constexpr char kLabelSpec[] = "tiltyard.spec";

struct BodyOptions {
  std::string log_driver;
  bool all_networks = false;  ///< the engine takes several endpoints at create (API 1.44 and later)
};

struct Body {
  std::string json;
  std::string hash;
};

/// The body of POST /containers/create: hardened, and no more open than the spec says. Pure.
Body machine_body(const MachineSpec& spec, const Labels& labels, const BodyOptions& options);

/// The body of POST /networks/create, with its hash as label. Pure.
Body network_body(const NetworkSpec& spec, const Labels& labels);

/// The endpoint settings (static address, aliases) of one attachment, as JSON: for /networks/{name}/connect.
std::string connect_body(const std::string& machine, const Attachment& attachment);

}  // namespace tiltyard::engine::docker
