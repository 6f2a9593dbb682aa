#pragma once

#include "bus/event_kind.h"

/// What features tells of; docs/event-kinds.md has it all.
namespace tiltyard::features::events {

inline constexpr bus::EventKind kChanged{.name = "feature.changed", .prose = "Staff changed a feature flag."};
inline constexpr bus::EventKind kDeleted{.name = "feature.deleted", .prose = "Staff deleted a feature flag."};

inline constexpr const bus::EventKind* kAll[] = {&kChanged, &kDeleted};

}  // namespace tiltyard::features::events
