#pragma once

#include <string>
#include <vector>

#include "traefik/layout.h"

namespace tiltyard::traefik {

using Commands = std::vector<std::vector<std::string>>;

/// How Redis gets from what it has to what it should have, as transactions of at most `most` commands (one router's
/// keys are never in two). In the order in which Traefik may read in between: services come before the routers that
/// name them, and go after them. `extra`: keys that are not ours by their names; they come first and go last.
std::vector<Commands> changes(const Options& options, const Keys& has, const Keys& wanted, std::size_t most = 400);

}  // namespace tiltyard::traefik
