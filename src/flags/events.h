#pragma once

#include "bus/event_kind.h"

/// What flags tells of; docs/event-kinds.md has it all.
namespace tiltyard::flags::events {

inline constexpr bus::EventKind kFlagCreated{.name = "flag.created",
                                             .prose = "An owner's flag for a template was drawn."};
inline constexpr bus::EventKind kFlagDeleted{.name = "flag.deleted",
                                             .prose = "An owner's flag for a template was deleted."};
inline constexpr bus::EventKind kSubmissionSuspicious{.name = "submission.suspicious",
                                                      .prose = "A flag was handed in that belongs to somebody else.",
                                                      .severity = bus::Severity::kWarning,
                                                      .notice = {.title = "Suspicious submission"}};

inline constexpr const bus::EventKind* kAll[] = {&kFlagCreated, &kFlagDeleted, &kSubmissionSuspicious};

}  // namespace tiltyard::flags::events
