#pragma once

#include "captures/captures.h"
#include "house/routes.h"

namespace tiltyard::captures {

/// /api/v1/admin/captures and what is below, and /api/v1/me/captures. The service outlives the routes.
void add_routes(house::Routes& routes, Service& service);

}  // namespace tiltyard::captures
