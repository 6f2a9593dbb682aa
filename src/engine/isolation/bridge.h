#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/spec.h"

namespace tiltyard::engine::isolation {

/// The host's interface for a network: at most 15 characters, always the same for the same network, and its first four
/// say to the firewall table what the specification says ("tys", "tyn", and "tyse", "tyne" with egress).
std::string bridge_name(const NetworkSpec& spec);

/// What the table enforces on a bridge.
struct Guard {
  bool shared = false, egress = false;

  bool operator==(const Guard&) const = default;
};
/// nullopt: the table does not know bridges of such a name.
std::optional<Guard> guard_of(std::string_view bridge);

}  // namespace tiltyard::engine::isolation
