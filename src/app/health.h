#pragma once

#include "labs/service.h"
#include "net/router.h"

namespace tiltyard::app {

/// What the health routes look at; all outlive the router.
struct HealthParts {
  store::Store& store;
  engine::Engine& engine;
  labs::Service& labs;
  templates::Catalogue& catalogue;
  Secret metrics_token;  ///< empty: /metrics is for loopback only
};

/// /healthz (the process answers), /readyz (it can do its work; 503 with what is missing otherwise), /metrics.
void add_health_routes(http::Router& router, std::shared_ptr<const HealthParts> parts);

/// Registers the gauges that are read from live state at each exposition.
void add_gauges(std::shared_ptr<const HealthParts> parts);

}  // namespace tiltyard::app
