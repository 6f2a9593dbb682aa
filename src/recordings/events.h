#pragma once

#include "bus/event_kind.h"

/// What recordings tell of; docs/event-kinds.md has it all.
namespace tiltyard::recordings::events {

inline constexpr bus::EventKind kStarted{.name = "recording.started",
                                         .prose = "What somebody's terminal shows is being recorded."};
inline constexpr bus::EventKind kSeen{.name = "recording.seen",
                                      .prose = "Somebody plays a recording, or takes it out."};
inline constexpr bus::EventKind kRemoved{.name = "recording.removed",
                                         .prose = "A recording is gone: by staff, by its age, or for room."};

inline constexpr const bus::EventKind* kAll[] = {&kStarted, &kSeen, &kRemoved};

}  // namespace tiltyard::recordings::events
