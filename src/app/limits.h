#pragma once

#include <utility>
#include <string>
#include <vector>

#include "identity/identity.h"
#include "limits/limits.h"
#include "net/router.h"

namespace tiltyard::app {

/// Puts the rate limiters on the routes: from the one table in limits.cpp, unless the route names its own; what is in
/// neither gets one that fits anything. Then lets them work: by address before anybody is asked who they are, the others
/// behind identity's filter. Addresses are the clients' own behind `trusted_proxies`. Call when all routes are there.
void connect_limits(http::Router& router, identity::Service& identity, limits::Service& limits, const std::vector<std::string>& trusted_proxies);

/// Routes without a limiter, and why.
std::vector<std::pair<std::string, std::string>> free_routes();

}  // namespace tiltyard::app
