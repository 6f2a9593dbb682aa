#pragma once

#include <memory>

#include "audit/audit.h"

namespace tiltyard::audit {

/// Lives on the home loop.
struct Service::State {
  State(Options o, Parts p) : options(o), parts(p) {}

  Options options;
  Parts parts;

  void declare_jobs();
  asio::awaitable<Result<jobs::Next>> remove_old();
};

using StatePtr = std::shared_ptr<Service::State>;

void add_event_routes(StatePtr state, house::Routes& routes);  // http.cpp

}  // namespace tiltyard::audit
