#pragma once

#include <memory>

#include "audit/audit.h"
#include "base/gate.h"

namespace tiltyard::audit {

/// Lives on the home loop.
struct Service::State {
  State(Options o, Parts p) : options(o), parts(std::move(p)) {}

  Options options;
  Parts parts;
  Gate gate{"audit"};

  asio::awaitable<void> retention_loop();
  asio::awaitable<Result<std::size_t>> remove_old();
};

using StatePtr = std::shared_ptr<Service::State>;

void add_event_routes(StatePtr state, http::Router& router);  // http.cpp

}  // namespace tiltyard::audit
