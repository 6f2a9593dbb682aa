#pragma once

#include "bus/event_kind.h"

/// What labs tells of; docs/event-kinds.md has it all.
namespace tiltyard::labs::events {

inline constexpr bus::EventKind kAsked{.name = "instance.asked",
                                       .prose = "Somebody asked for an instance; it is on its way or in the queue.",
                                       .notice = {.title = "Instance asked for", .subject = "Instance"}};
inline constexpr bus::EventKind kRunning{
    .name = "instance.running",
    .prose = "An instance runs.",
    .severity = bus::Severity::kGood,
    .notice = {.title = "Instance running", .subject = "Instance", .fact = {"Lease ends", "expires_at"}}};
inline constexpr bus::EventKind kFailed{.name = "instance.failed",
                                        .prose = "An instance could not be started, or was lost.",
                                        .severity = bus::Severity::kError,
                                        .notice = {.title = "Instance failed", .subject = "Instance"}};
inline constexpr bus::EventKind kExtended{.name = "instance.extended",
                                          .prose = "The lease of an instance was extended.",
                                          .notice = {.title = "Lease extended",
                                                     .colour = bus::Notice::Colour::kYellow,
                                                     .subject = "Instance",
                                                     .fact = {"Lease ends", "expires_at"}}};
inline constexpr bus::EventKind kPaused{.name = "instance.paused",
                                        .prose = "An instance that nobody used was put to sleep.",
                                        .notice = {.title = "Instance asleep", .subject = "Instance"}};
inline constexpr bus::EventKind kResumed{.name = "instance.resumed",
                                         .prose = "A sleeping instance was woken.",
                                         .notice = {.title = "Instance awake", .subject = "Instance"}};
inline constexpr bus::EventKind kPortOpened{
    .name = "instance.port-opened",
    .prose = "A port of a machine was opened to the outside while its instance was up.",
    .notice = {.title = "Port opened", .colour = bus::Notice::Colour::kYellow, .subject = "Instance"}};
inline constexpr bus::EventKind kPortClosed{
    .name = "instance.port-closed",
    .prose = "A port that was opened while its instance was up is closed again, or could not be opened after all.",
    .notice = {.title = "Port closed", .subject = "Instance"}};
inline constexpr bus::EventKind kStopping{
    .name = "instance.stopping",
    .prose = "An instance is being stopped by its user or by staff.",
    .notice = {.title = "Instance stopping", .colour = bus::Notice::Colour::kOrange, .subject = "Instance"}};
inline constexpr bus::EventKind kStopped{
    .name = "instance.stopped",
    .prose = "An instance was stopped and is gone.",
    .notice = {.title = "Instance stopped", .colour = bus::Notice::Colour::kOrange, .subject = "Instance"}};
inline constexpr bus::EventKind kExpired{
    .name = "instance.expired",
    .prose = "The lease of an instance has ended; it is gone.",
    .notice = {.title = "Lease ended", .colour = bus::Notice::Colour::kOrange, .subject = "Instance"}};
inline constexpr bus::EventKind kPoolFailed{.name = "pool.failed",
                                            .prose = "An instance could not be made for a warm pool.",
                                            .severity = bus::Severity::kWarning};
inline constexpr bus::EventKind kQueued{
    .name = "instance.queued", .prose = "The place of an instance in the queue has changed.", .rows = bus::Rows::kNone};
inline constexpr bus::EventKind kPreparing{.name = "instance.preparing",
                                           .prose = "An instance has left the queue, or is on its way at once.",
                                           .rows = bus::Rows::kNone};
inline constexpr bus::EventKind kProgress{.name = "instance.progress",
                                          .prose = "An instance that starts or ends has got a step further.",
                                          .rows = bus::Rows::kNone};
inline constexpr bus::EventKind kEnding{
    .name = "instance.ending", .prose = "The server has begun to end an instance.", .rows = bus::Rows::kNone};

inline constexpr const bus::EventKind* kAll[] = {
    &kAsked,   &kRunning,    &kFailed, &kExtended,  &kPaused,   &kResumed, &kStopping,   &kStopped,
    &kExpired, &kPoolFailed, &kQueued, &kPreparing, &kProgress, &kEnding,  &kPortOpened, &kPortClosed};

}  // namespace tiltyard::labs::events
