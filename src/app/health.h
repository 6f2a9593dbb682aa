#pragma once

#include "base/secret.h"
#include "engine/engines.h"
#include "house/routes.h"
#include "store/store.h"

namespace tiltyard::app {

namespace asio = boost::asio;

/// What the server's own routes look at; all outlive the router.
struct HealthParts {
  store::Store& store;
  engine::Engines& engines;
  Secret metrics_token;  ///< empty: /metrics is for loopback only
};

/// /healthz (the process answers), /readyz (it can do its work; 503 with what is missing otherwise), /metrics, and
/// /openapi.json.
void add_server_routes(house::Routes& routes, HealthParts parts);

}  // namespace tiltyard::app
