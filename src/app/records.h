#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>

#include "audit/audit.h"
#include "bus/event_log.h"
#include "bus/kinds.h"
#include "config/settings.h"
#include "net/router.h"
#include "notices/notices.h"

namespace tiltyard::app {

namespace asio = boost::asio;

/// What writes down and tells what happens: the event log, the staff's view of it, and notices.
struct Records {
  std::unique_ptr<bus::EventLog> events;
  std::unique_ptr<audit::Service> audit;
  std::unique_ptr<notices::Service> notices;

  Result<> make(const config::Settings& settings, asio::any_io_executor home, store::Store& store, const Clock& clock,
                jobs::Service& jobs, const bus::Kinds& kinds);
  void add_routes(http::Router& router) { audit->add_routes(router); }
  /// Records that the server has started.
  asio::awaitable<Result<>> start(store::Store& store, const Clock& clock);
  /// Records that it stops; nothing is recorded after it.
  asio::awaitable<void> close(store::Store& store, const Clock& clock);
};

}  // namespace tiltyard::app
