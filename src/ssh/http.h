#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "house/routes.h"
#include "net/reach.h"
#include "ssh/store.h"

namespace tiltyard::ssh {

/// What the routes need; all outlive the router.
struct HttpParts {
  KeyStore& keys;
  const Clock& clock;
  const net::Reach& reach;
  const std::vector<std::string>& keys_from;
};

/// /api/v1/me/ssh-keys.
void add_routes(house::Routes& routes, HttpParts parts);

}  // namespace tiltyard::ssh
