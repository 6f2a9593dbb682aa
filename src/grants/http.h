#pragma once

#include "grants/grants.h"
#include "house/routes.h"

namespace tiltyard::grants {

/// POST …/instances/{id}/grants. The service outlives it.
void add_routes(house::Routes& routes, Service& service);

/// What kind of way in the route is that labs answers by itself; empty: none.
std::string_view kind_of_route(std::string_view method, std::string_view pattern);

}  // namespace tiltyard::grants
