#pragma once

#include "bus/event_kind.h"

/// What app tells of; docs/event-kinds.md has it all.
namespace tiltyard::app::events {

inline constexpr bus::EventKind kStarted{.name = "system.started", .prose = "The server started."};
inline constexpr bus::EventKind kStopped{.name = "system.stopped", .prose = "The server stopped in an orderly way."};

inline constexpr const bus::EventKind* kAll[] = {&kStarted, &kStopped};

}  // namespace tiltyard::app::events
