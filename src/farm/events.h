#pragma once

#include "bus/event_kind.h"

/// What farm tells of; docs/event-kinds.md has it all.
namespace tiltyard::farm::events {

inline constexpr bus::EventKind kChanged{
    .name = "farm.changed", .prose = "Flags, verdicts or settings of the farm have changed.", .rows = bus::Rows::kNone};

inline constexpr const bus::EventKind* kAll[] = {&kChanged};

}  // namespace tiltyard::farm::events
