#pragma once

#include "contest/service.h"
#include "house/routes.h"

namespace tiltyard::contest {

/// What players do and see; staff's own; and what others read: CTFtime's feed, and everything as files.
void add_routes(house::Routes& routes, Service& service, WorkerPool& files);
void add_staff_routes(house::Routes& routes, Service& service);

/// The contest as everybody sees it.
boost::json::object contest_json(const Service& service, const Running& running);
/// Its board; `live`: without the freeze.
asio::awaitable<Result<boost::json::object>> board_json(Service* service, RunningRef running, std::string division,
                                                        bool live);
/// Of the query: empty, or one of the contest's; `division-unknown`.
Result<std::string> division_of(const Running& running, const http::Request& request);
boost::json::value or_null(const std::optional<TimePoint>& time);

}  // namespace tiltyard::contest
