#pragma once

#include "bus/event_kind.h"

/// What doors tell of; docs/event-kinds.md has it all.
namespace tiltyard::doors::events {

inline constexpr bus::EventKind kShared{.name = "door.shared",
                                        .prose = "Somebody made a link that lets others in to an instance."};
inline constexpr bus::EventKind kUnshared{
    .name = "door.unshared",
    .prose = "A link that let others in to an instance was taken back or has ended.",
    .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kGuest{.name = "door.guest",
                                       .prose = "Somebody was let in to another's instance by a shared link."};

inline constexpr const bus::EventKind* kAll[] = {&kShared, &kUnshared, &kGuest};

}  // namespace tiltyard::doors::events
