#pragma once

#include "bus/event_kind.h"

/// What jobs tells of; docs/event-kinds.md has it all.
namespace tiltyard::jobs::events {

inline constexpr bus::EventKind kCancelled{.name = "jobs.cancelled",
                                           .prose = "Staff took a job away, or asked a running one to stop."};
inline constexpr bus::EventKind kRetried{.name = "jobs.retried",
                                         .prose = "Staff had a job that had failed for good tried again."};
inline constexpr bus::EventKind kHurried{.name = "jobs.hurried", .prose = "Staff had a job that waited fire at once."};
inline constexpr bus::EventKind kPaused{.name = "jobs.paused",
                                        .prose = "Staff paused a kind of jobs: no more of it start.",
                                        .severity = bus::Severity::kWarning};
inline constexpr bus::EventKind kResumed{.name = "jobs.resumed", .prose = "Staff let a kind of jobs go on."};

inline constexpr const bus::EventKind* kAll[] = {&kCancelled, &kRetried, &kHurried, &kPaused, &kResumed};

}  // namespace tiltyard::jobs::events
