#pragma once

#include "bus/event_kind.h"

/// What app tells of; docs/event-kinds.md has it all.
namespace tiltyard::app::events {

inline constexpr bus::EventKind kStarted{.name = "system.started", .prose = "The server started."};
inline constexpr bus::EventKind kStopped{.name = "system.stopped", .prose = "The server stopped in an orderly way."};
inline constexpr bus::EventKind kShort{
    .name = "system.descriptors-short",
    .prose =
        "Nearly all descriptors of the process are in use: new connections wait, so that database and engines go on.",
    .severity = bus::Severity::kWarning};

inline constexpr const bus::EventKind* kAll[] = {&kStarted, &kStopped, &kShort};

}  // namespace tiltyard::app::events
