// What the configuration says of the event log.
#include "audit/audit.h"
#include "config/keys.h"

namespace tiltyard::audit {

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("events", "The record of who did what.")
      .number("keep_days", options.keep_days, 1, 3650, "Days after which events are removed from the event log.");
}

}  // namespace tiltyard::audit
