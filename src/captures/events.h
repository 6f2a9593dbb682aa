#pragma once

#include "bus/event_kind.h"

/// What captures tells of; docs/event-kinds.md has it all.
namespace tiltyard::captures::events {

inline constexpr bus::EventKind kStarted{
    .name = "capture.started",
    .prose = "Packets of an instance are being captured.",
    .severity = bus::Severity::kWarning,
    .notice = {.title = "Capture started", .subject = "Instance", .fact = {"Why", "cause"}}};
inline constexpr bus::EventKind kEnded{.name = "capture.ended",
                                       .prose = "A capture has ended; what is kept of it can be taken out.",
                                       .notice = {.title = "Capture ended", .subject = "Instance"}};
inline constexpr bus::EventKind kTaken{.name = "capture.taken",
                                       .prose = "Staff took captured packets out, or looks on while they are captured.",
                                       .severity = bus::Severity::kWarning};
inline constexpr bus::EventKind kRemoved{.name = "capture.removed", .prose = "What was kept of a capture is gone."};
inline constexpr bus::EventKind kFailed{
    .name = "capture.failed",
    .prose = "An instance runs without the capture that its template asks for.",
    .severity = bus::Severity::kError,
    .notice = {.title = "No capture", .subject = "Instance", .fact = {"Why", "why"}}};

inline constexpr const bus::EventKind* kAll[] = {&kStarted, &kEnded, &kTaken, &kRemoved, &kFailed};

}  // namespace tiltyard::captures::events
