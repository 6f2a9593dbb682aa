#pragma once

#include "bus/event_kind.h"

/// What audit tells of; docs/event-kinds.md has it all.
namespace tiltyard::audit::events {

inline constexpr bus::EventKind kExported{.name = "events.exported", .prose = "Staff exported the event log."};
inline constexpr bus::EventKind kRemoved{.name = "events.removed", .prose = "Events past their time were removed."};

inline constexpr const bus::EventKind* kAll[] = {&kExported, &kRemoved};

}  // namespace tiltyard::audit::events
