#pragma once

#include "app/capabilities.h"
#include "bus/kinds.h"

namespace tiltyard::app {

/// Every kind of event that these capabilities and the floors below them declare.
Result<bus::Kinds> kinds_of(const Capabilities& all);

}  // namespace tiltyard::app
