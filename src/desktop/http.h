#pragma once

#include <memory>

#include "desktop/screens.h"
#include "grants/grants.h"
#include "house/routes.h"
#include "labs/capability.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::desktop {

struct Options {
  std::size_t per_user = 8;  ///< views of one instance's screen that one user has open at once
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What the routes need; all outlive the router.
struct HttpParts {
  labs::Capability& labs;
  const Screens& screens;
  grants::Service& grants;
  const Options& options;
};

/// Registers /api/v1/instances/{id}/desktop and …/ways.
void add_routes(house::Routes& routes, HttpParts parts);
void add_ways_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts);  // http_ways.cpp

}  // namespace tiltyard::desktop
