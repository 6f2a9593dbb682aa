#pragma once

#include "gateway/gateway.h"
#include "house/routes.h"
#include "labs/capability.h"
#include "traffic/traffic.h"

namespace tiltyard::traffic {

/// What the routes are made of; all of it outlives them.
struct HttpParts {
  labs::Capability& labs;
  gateway::Gateway& gateway;
  const Sampler& sampler;
};

/// GET /api/v1/admin/gateway/routes and …/traffic.
void add_routes(house::Routes& routes, HttpParts parts);

}  // namespace tiltyard::traffic
