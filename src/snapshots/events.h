#pragma once

#include "bus/event_kind.h"

/// What snapshots tells of; docs/event-kinds.md has it all.
namespace tiltyard::snapshots::events {

inline constexpr bus::EventKind kTaken{.name = "snapshot.taken",
                                       .prose = "The machines of an instance were kept as they were."};
inline constexpr bus::EventKind kRemoved{.name = "snapshot.removed", .prose = "A snapshot is gone."};
inline constexpr bus::EventKind kRolledBack{
    .name = "snapshot.rolled-back",
    .prose = "The machines of an instance give way to new ones that have what a snapshot kept."};
inline constexpr bus::EventKind kExported{
    .name = "snapshot.exported",
    .prose = "Somebody takes the whole file system of a machine out, as a snapshot has it."};

inline constexpr const bus::EventKind* kAll[] = {&kTaken, &kRolledBack, &kRemoved, &kExported};

}  // namespace tiltyard::snapshots::events
