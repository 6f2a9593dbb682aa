#pragma once

#include <atomic>
#include <memory>

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
  Secret metrics_token;
  /// Whether who comes from the loopback is this machine's own monitoring: not where a proxy may be in front, for then
  /// everybody does.
  bool loopback_is_ours = false;
  /// Whether all of the start is done: pages are answered a moment before.
  std::shared_ptr<const std::atomic<bool>> started;
};

/// /healthz (the process answers), /readyz (it can do its work, else 503), /metrics, and
/// /openapi.json. Figures, and what is missing, are for who has the token of metrics, or comes from this machine.
void add_server_routes(house::Routes& routes, HealthParts parts);

}  // namespace tiltyard::app
