#pragma once

#include "base/clock.h"
#include "house/routes.h"
#include "templates/built_images.h"
#include "templates/view.h"

namespace tiltyard::templates {

/// What the routes need; all outlive the router.
struct HttpParts {
  Shown shown;
  BuiltImages& built;
  store::Store& store;
  const Clock& clock;
};

/// Registers /api/v1/templates and what staff change of them.
void add_routes(house::Routes& routes, HttpParts parts);

}  // namespace tiltyard::templates
