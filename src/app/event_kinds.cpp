#include "app/event_kinds.h"

#include "app/events.h"
#include "audit/events.h"
#include "farm/events.h"
#include "features/events.h"
#include "flags/events.h"
#include "identity/events.h"
#include "jobs/events.h"
#include "labs/events.h"
#include "limits/events.h"
#include "notices/events.h"
#include "templates/events.h"

namespace tiltyard::app {

Result<bus::Kinds> event_kinds() {
  struct Part {
    std::string_view name;
    bus::EventKinds kinds;
  };
  static constexpr Part kParts[] = {{"server", events::kAll},
                                    {"identity", identity::events::kAll},
                                    {"labs", labs::events::kAll},
                                    {"flags", flags::events::kAll},
                                    {"templates", templates::events::kAll},
                                    {"farm", farm::events::kAll},
                                    {"features", features::events::kAll},
                                    {"limits", limits::events::kAll},
                                    {"jobs", jobs::events::kAll},
                                    {"notices", notices::events::kAll},
                                    {"audit", audit::events::kAll}};
  bus::Kinds kinds;
  for (const auto& part : kParts) {
    if (auto added = kinds.add(part.name, part.kinds); !added) return fail(std::move(added.error()));
  }
  return kinds;
}

}  // namespace tiltyard::app
