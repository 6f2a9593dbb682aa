#include "app/event_kinds.h"

#include "app/events.h"
#include "jobs/events.h"
#include "limits/events.h"

namespace tiltyard::app {

Result<bus::Kinds> kinds_of(const Capabilities& all) {
  bus::Kinds kinds;
  if (auto added = kinds.add("server", events::kAll); !added) return fail(std::move(added.error()));
  if (auto added = kinds.add("limits", limits::events::kAll); !added) return fail(std::move(added.error()));
  if (auto added = kinds.add("jobs", jobs::events::kAll); !added) return fail(std::move(added.error()));
  for (const auto& one : all) {
    if (auto added = kinds.add(one->name(), one->events()); !added) return fail(std::move(added.error()));
  }
  return kinds;
}

}  // namespace tiltyard::app
