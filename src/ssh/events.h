#pragma once

#include "bus/event_kind.h"

/// What SSH keys tell of; docs/event-kinds.md has it all.
namespace tiltyard::ssh::events {

inline constexpr bus::EventKind kKeyAdded{
    .name = "ssh-key.added", .prose = "Somebody's account has an SSH key more.", .readers = bus::Readers::kAdmins};
inline constexpr bus::EventKind kKeyRemoved{.name = "ssh-key.removed",
                                            .prose = "An SSH key opens nothing any more.",
                                            .readers = bus::Readers::kAdmins,
                                            .touches = bus::Touches::kRights};

inline constexpr const bus::EventKind* kAll[] = {&kKeyAdded, &kKeyRemoved};

}  // namespace tiltyard::ssh::events
