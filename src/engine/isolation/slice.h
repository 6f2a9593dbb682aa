#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace tiltyard::engine::isolation {

/// How an engine makes groups of processes, as its /info says.
struct GroupDriver {
  bool systemd = false;  ///< else the file system of the groups, by itself
  bool unified = false;  ///< version 2
};

/// The one group that all machines of all servers on a host are in: what the engine takes as the parent of theirs.
std::string slice_parent(const GroupDriver& driver);

/// What all machines may have together, where the operator says nothing: the host's memory less an eighth, but at least
/// 512 MiB and at most 4 GiB, which stay for the server, the engine and the rest.
std::int64_t memory_for_machines(std::int64_t of_host);

/// Lets the group count little against the server and the engine when they compete for processors and disks, and bounds
/// its memory. `root` is where the groups are mounted, /sys/fs/cgroup. `slice-unweighed` where the kernel or our rights
/// do not allow it, with what was not done as the cause.
Result<> weigh_slice(const std::filesystem::path& root, const GroupDriver& driver, std::int64_t memory);

}  // namespace tiltyard::engine::isolation
