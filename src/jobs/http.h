#pragma once

#include <boost/json/array.hpp>

#include <functional>
#include <string>

#include "jobs/jobs.h"
#include "net/router.h"

namespace tiltyard::jobs {

/// All kinds as the board shows them, for rooms that show the same. On the home loop.
boost::json::array kinds_json(const Service& service);

/// The board: GET /api/v1/admin/jobs, …/{id}, …/kinds, …/minutes, and what staff do with them. `actor` names who asks.
/// The service must outlive the router.
void add_routes(http::Router& router, Service& service, std::function<bus::Actor(const http::Request&)> actor);

}  // namespace tiltyard::jobs
