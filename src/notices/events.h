#pragma once

#include "bus/event_kind.h"

/// What notices tells of; docs/event-kinds.md has it all.
namespace tiltyard::notices::events {

inline constexpr bus::EventKind kFailed{.name = "notice.failed",
                                        .prose = "A notice could not be delivered and was given up.",
                                        .severity = bus::Severity::kWarning,
                                        .notice = {.title = "Notice not delivered"}};

inline constexpr const bus::EventKind* kAll[] = {&kFailed};

}  // namespace tiltyard::notices::events
