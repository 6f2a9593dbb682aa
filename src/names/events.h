#pragma once

#include "bus/event_kind.h"

/// What names tells of; docs/event-kinds.md has it all.
namespace tiltyard::names::events {

inline constexpr bus::EventKind kAsked{.name = "name.asked",
                                       .prose = "Somebody asked for a name, or for one of a domain of their own.",
                                       .notice = {.title = "Name asked for", .subject = "Name"}};
inline constexpr bus::EventKind kHeld{.name = "name.held",
                                      .prose = "A name is somebody's: given, or proved to be theirs.",
                                      .severity = bus::Severity::kGood,
                                      .notice = {.title = "Name held", .subject = "Name"}};
inline constexpr bus::EventKind kElsewhere{
    .name = "name.elsewhere",
    .prose = "Somebody else has proved that a domain is theirs, which this owner has asked for or has had.",
    .severity = bus::Severity::kWarning,
    .notice = {.title = "Name is somebody else's", .colour = bus::Notice::Colour::kOrange, .subject = "Name"}};
inline constexpr bus::EventKind kDropped{
    .name = "name.dropped",
    .prose = "A name is being taken back: dropped, or its instance has ended.",
    .notice = {.title = "Name dropped", .colour = bus::Notice::Colour::kOrange, .subject = "Name"}};

inline constexpr const bus::EventKind* kAll[] = {&kAsked, &kHeld, &kElsewhere, &kDropped};

}  // namespace tiltyard::names::events
