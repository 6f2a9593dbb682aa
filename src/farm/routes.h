#pragma once

#include "farm/state.h"
#include "net/router.h"

namespace tiltyard::farm {

using http::Access;
using http::Request;
using http::Response;

/// What the routes' handlers need; cheap to copy. The service outlives them.
struct FarmRef {
  Service* service;
  StatePtr state;
};

/// The books as they are seen: flags, one flag, statistics, series.
void add_view_routes(http::Router& router, FarmRef farm);
/// The configuration, teams, attack data.
void add_game_routes(http::Router& router, FarmRef farm);

}  // namespace tiltyard::farm
