#pragma once

#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

/// Files in a machine's own layer, from the host, where the storage is overlay2. What is written to the uppermost
/// folder before the machine is mounted is the machine's own, as if it had written it:
/// https://docs.kernel.org/filesystems/overlayfs.html
namespace tiltyard::engine::docker {

/// The folders that a machine's root is laid over of.
struct Layer {
  std::string upper;               ///< its own
  std::vector<std::string> lower;  ///< its image's, the uppermost first
};

/// Nullopt: another storage, or the machine is away.
std::optional<Layer> layer_of(const boost::json::value& inspected);

/// Unpacks the regular files and hard links of a tar at the machine's root, with owner, mode, time and capability.
/// Folders on the way are the image's, and links are followed, inside the root as the machine will see it. The machine
/// has not run. Blocking. `file-refused`, `disk-full`.
Result<> unpack(const Layer& layer, const std::string& tar);

/// Archives::rewrite, also while the machine runs: only files that are in its own layer already, whose inodes stay.
/// Nothing that the machine has put there leads out, or keeps us waiting. Blocking.
Result<> rewrite(const Layer& layer, const std::vector<Rewrite>& texts);

}  // namespace tiltyard::engine::docker
