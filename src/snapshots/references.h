#pragma once

#include <fmt/format.h>

#include "snapshots/snapshots.h"

namespace tiltyard::snapshots {

/// Every name of it on an engine follows from its row.
inline std::string reference_of(const Snapshot& one, std::size_t part) {
  return fmt::format("{}{}:m{}", engine::kSnapshotPrefix, one.id, part);
}

inline std::string reference_of(const Use& use, std::size_t part) {
  return fmt::format("{}{}:m{}-{}", engine::kSnapshotPrefix, use.snapshot, part, use.id);
}

/// Of the machine that never runs and holds a part's files.
inline std::string holder_of(const Snapshot& one, std::size_t part, std::string_view name_space) {
  return fmt::format("{}-s-{}-m{}", name_space, one.id, part);
}

}  // namespace tiltyard::snapshots
