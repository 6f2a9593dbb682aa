#pragma once

#include "bus/event_kind.h"

/// What contests tell of; docs/event-kinds.md has it all.
namespace tiltyard::contest::events {

inline constexpr bus::EventKind kSolved{.name = "contest.solved",
                                        .prose = "Somebody has solved a challenge.",
                                        .severity = bus::Severity::kGood,
                                        .notice = {.title = "Solved", .subject = "Challenge"}};
inline constexpr bus::EventKind kSolvedUnseen{
    .name = "contest.solved-unseen",
    .prose = "Somebody has solved a challenge while the board is frozen. It is told to nobody but staff."};
inline constexpr bus::EventKind kShared{
    .name = "contest.flag-shared",
    .prose = "Somebody has handed in a flag that is another owner's. It may have an innocent reason.",
    .severity = bus::Severity::kWarning,
    .notice = {.title = "Another's flag", .subject = "Challenge"}};
inline constexpr bus::EventKind kChanged{.name = "contest.changed",
                                         .prose = "Staff made, changed or removed a contest."};
inline constexpr bus::EventKind kHint{.name = "contest.hint", .prose = "Somebody has taken a hint that costs points."};
inline constexpr bus::EventKind kAward{.name = "contest.award",
                                       .prose = "Staff gave points, or took something that counted back."};
inline constexpr bus::EventKind kStanding{.name = "contest.standing",
                                          .prose = "Staff changed how somebody stands in a contest."};
inline constexpr bus::EventKind kJudged{.name = "contest.judged",
                                        .prose = "Staff judged a case of another owner's flag, or took that back."};
inline constexpr bus::EventKind kAnnounced{.name = "contest.announced",
                                           .prose = "Staff told everybody in a contest something.",
                                           .notice = {.title = "Announcement", .subject = "Contest"}};

inline constexpr const bus::EventKind* kAll[] = {&kSolved, &kSolvedUnseen, &kShared, &kChanged,  &kHint,
                                                 &kAward,  &kStanding,     &kJudged, &kAnnounced};

}  // namespace tiltyard::contest::events
