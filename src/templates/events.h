#pragma once

#include "bus/event_kind.h"

/// What templates tells of; docs/event-kinds.md has it all.
namespace tiltyard::templates::events {

inline constexpr bus::EventKind kChanged{.name = "template.changed",
                                         .prose = "A template, its state or how far its image is built has changed.",
                                         .rows = bus::Rows::kNone};
inline constexpr bus::EventKind kGone{
    .name = "template.gone", .prose = "A template is there no more.", .rows = bus::Rows::kNone};

inline constexpr bus::EventKind kOverride{.name = "template.override",
                                          .prose = "Staff changed a template at run time."};
inline constexpr bus::EventKind kRebuild{.name = "template.rebuild", .prose = "Staff had a template built anew."};

inline constexpr bus::EventKind kImageRemoved{
    .name = "template.image_removed", .prose = "A build that no template needs any more was removed from an engine."};

inline constexpr const bus::EventKind* kAll[] = {&kOverride, &kRebuild, &kImageRemoved, &kChanged, &kGone};

}  // namespace tiltyard::templates::events
