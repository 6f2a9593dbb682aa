#pragma once

#include "house/routes.h"
#include "recordings/recordings.h"

namespace tiltyard::recordings {

/// Registers /api/v1/recordings.
void add_routes(house::Routes& routes, Recordings& service);

}  // namespace tiltyard::recordings
