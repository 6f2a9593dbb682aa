#pragma once

#include "farm/state.h"
#include "house/routes.h"

namespace tiltyard::farm {

using house::Access;
using house::Scope;
using house::Whose;

using http::Request;
using http::Response;

/// What the routes' handlers need; cheap to copy. The service outlives them.
struct FarmRef {
  Service* service;
  StatePtr state;
};

/// The books as they are seen: flags, one flag, statistics, series.
void add_view_routes(house::Routes& routes, FarmRef farm);
/// The configuration, teams, attack data.
void add_game_routes(house::Routes& routes, FarmRef farm);

}  // namespace tiltyard::farm
