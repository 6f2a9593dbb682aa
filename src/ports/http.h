#pragma once

#include "house/routes.h"
#include "labs/capability.h"
#include "ports/service.h"

namespace tiltyard::ports {

/// …/instances/{id}/ports: what listens, what is open, one that is free; open and close. All outlive the routes.
void add_routes(house::Routes& routes, Service& service, labs::Capability& labs);

}  // namespace tiltyard::ports
