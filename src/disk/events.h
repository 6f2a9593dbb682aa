#pragma once

#include "bus/event_kind.h"

/// What disk tells of; docs/event-kinds.md has it all.
namespace tiltyard::disk::events {

inline constexpr bus::EventKind kOver{
    .name = "instance.over_disk",
    .prose = "A machine wrote more than it may; its instance is being stopped.",
    .severity = bus::Severity::kWarning,
    .notice = {.title = "Stopped for what it wrote", .subject = "Instance", .fact = {"Why", "text"}}};
inline constexpr bus::EventKind kLow{
    .name = "disk.low",
    .prose = "Little disk space is left; nothing new starts until there is more.",
    .severity = bus::Severity::kError,
    .notice = {.title = "Little disk space", .subject = "Folder", .fact = {"Left", "left"}}};
inline constexpr bus::EventKind kEnough{.name = "disk.enough",
                                        .prose = "There is disk space again; instances start as before.",
                                        .severity = bus::Severity::kGood,
                                        .notice = {.title = "Disk space again", .subject = "Folder"}};

inline constexpr const bus::EventKind* kAll[] = {&kOver, &kLow, &kEnough};

}  // namespace tiltyard::disk::events
