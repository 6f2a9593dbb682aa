#pragma once

#include <functional>
#include <string>

#include "jobs/jobs.h"
#include "net/router.h"

namespace tiltyard::jobs {

/// The board: GET /api/v1/admin/jobs, …/{id}, …/kinds, …/minutes, and what staff do with them. `actor` names who asks. The service
/// must outlive the router.
void add_routes(http::Router& router, Service& service, std::function<bus::Actor(const http::Request&)> actor);

}  // namespace tiltyard::jobs
