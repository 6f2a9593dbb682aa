#pragma once

#include <memory>
#include <vector>

#include "house/capability.h"

namespace tiltyard::app {

using Capabilities = std::vector<std::unique_ptr<house::Capability>>;

/// Every capability there is, not yet made; each behind those that it builds on.
Capabilities capabilities();

}  // namespace tiltyard::app
