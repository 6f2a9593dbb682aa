#pragma once

#include <boost/json/array.hpp>

#include "house/routes.h"
#include "jobs/jobs.h"

/// What staff see of the durable jobs, and what they do with them (row 8.4).
namespace tiltyard::board {

/// All kinds as the board shows them. On the home loop.
boost::json::array kinds_json(const jobs::Service& service);

/// GET /api/v1/admin/jobs, …/{id}, …/kinds, …/minutes, and what staff do with them. The service outlives the routes.
void add_routes(house::Routes& routes, jobs::Service& service);

}  // namespace tiltyard::board
