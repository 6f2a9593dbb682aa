#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

#include <boost/json/object.hpp>

#include "base/clock.h"
#include "bus/bus.h"
#include "net/router.h"
#include "store/store.h"

/// What staff see of the event log (row 9.4): pages, export, and how long events are kept.
namespace tiltyard::audit {

namespace asio = boost::asio;

struct Options {
  int keep_days = 365;  ///< older events are removed
};

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
};

/// An event as the API shows it (api/openapi.yaml, Event).
boost::json::object event_view(long long seq, const bus::Event& event);

class Service {
 public:
  Service(Options options, Parts parts);
  ~Service();

  /// GET /api/v1/admin/events, events/kinds and events/export.
  void add_routes(http::Router& router);
  /// Removes old events every hour.
  void run();
  asio::awaitable<void> close();

  /// Removes what is older than `keep_days`, in small transactions with pauses between, so that others can write
  /// meanwhile. How many went.
  asio::awaitable<Result<std::size_t>> remove_old();

  struct State;  ///< known only inside audit/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::audit
