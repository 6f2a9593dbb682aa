#pragma once

#include "bus/kinds.h"

namespace tiltyard::app {

/// Every kind of event that a part of this server declares.
Result<bus::Kinds> event_kinds();

}  // namespace tiltyard::app
