#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>

#include <boost/json/object.hpp>

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/kinds.h"
#include "house/routes.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}

/// What staff see of the event log (row 9.4): pages, export, and how long events are kept.
namespace tiltyard::audit {

namespace asio = boost::asio;

struct Options {
  int keep_days = 365;  ///< older events are removed
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What the service uses. All outlive it.
struct Parts {
  store::Store& store;
  const Clock& clock;
  jobs::Service& jobs;
  const bus::Kinds& kinds;
};

/// An event as the API shows it (api/paths/audit.yaml, Event).
boost::json::object event_view(long long seq, const bus::Event& event);

class Service {
 public:
  /// Declares the job that removes old events, every hour and soon after each start.
  Service(Options options, Parts parts);
  ~Service();

  /// GET /api/v1/admin/events, events/kinds and events/export.
  void add_routes(house::Routes& routes);

  struct State;  ///< known only inside audit/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::audit
