#pragma once

#include "bus/event_kind.h"

/// What limits tells of; docs/event-kinds.md has it all.
namespace tiltyard::limits::events {

inline constexpr bus::EventKind kChanged{
    .name = "limits.changed", .prose = "Staff changed a rate limit.", .touches = bus::Touches::kRights};

inline constexpr const bus::EventKind* kAll[] = {&kChanged};

}  // namespace tiltyard::limits::events
