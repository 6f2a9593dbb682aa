#pragma once

#include <string>

#include "app/capabilities.h"
#include "base/result.h"

namespace tiltyard::app {

/// docs/routes.md: puts a server together from these capabilities, with a database of its own in an empty folder and an
/// engine that runs nothing, starts none of it and takes it away again. An error is what would keep a server from
/// starting: a route, migration, limiter, switch or kind of event that two have declared.
Result<std::string> routes_page(Capabilities capabilities);

}  // namespace tiltyard::app
