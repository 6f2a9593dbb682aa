#pragma once

#include <memory>

#include "doors/service.h"
#include "house/routes.h"
#include "labs/capability.h"

namespace tiltyard::doors {

/// What the routes use; all outlive them.
struct HttpParts {
  Service& service;
  identity::Service& identity;
  labs::PublicAddress address;  ///< how browsers reach the gateway
};
using PartsRef = std::shared_ptr<const HttpParts>;

/// GET /api/v1/door: where the gateway sends its visitors.
void add_door_routes(house::Routes& routes, PartsRef parts);
/// /api/v1/instances/{id}/door and …/shares.
void add_share_routes(house::Routes& routes, PartsRef parts);

/// The HTTP endpoints' hosts, as browsers know them without scheme and port.
std::vector<std::string> hosts_of(const labs::Instance& instance, const labs::PublicAddress& address);

}  // namespace tiltyard::doors
