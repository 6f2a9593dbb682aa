#pragma once

#include "app/capabilities.h"
#include "house/checks.h"

namespace tiltyard::app {

/// Every metric that these capabilities and the floors below them declare. `declared-twice`.
Result<std::vector<house::Measured>> measured(const Capabilities& all);

}  // namespace tiltyard::app
