#pragma once

#include "house/routes.h"
#include "labs/capability.h"
#include "snapshots/snapshots.h"

namespace tiltyard::snapshots {

/// Snapshots over HTTP: api/paths/snapshots.yaml.
void add_routes(house::Routes& routes, Service& service, labs::Capability& labs);

}  // namespace tiltyard::snapshots
