#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "identity/identity.h"
#include "limits/limits.h"
#include "net/router.h"

namespace tiltyard::app {

/// Who a request is by a credential of a capability's own, such as the flag farm's token; null: it carries none for
/// this route.
using Credential = std::function<std::shared_ptr<const identity::Principal>(const http::Request&, const http::Route&)>;

/// Puts the rate limiters on the routes: from the one table in limits.cpp, unless the route names its own; what is in
/// neither gets one that fits anything. Then lets them work: by address before anybody is asked who they are, the
/// others behind identity's filter. Addresses are the clients' own behind `trusted_proxies`. Call when all routes are
/// there.
void connect_limits(http::Router& router, identity::Service& identity, limits::Service& limits,
                    const std::vector<std::string>& trusted_proxies, Credential credential);

/// Routes without a limiter, and why.
std::vector<std::pair<std::string, std::string>> free_routes();

}  // namespace tiltyard::app
