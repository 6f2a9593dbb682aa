#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "disk/disk.h"

namespace tiltyard::disk {

/// What is free on the file system of a folder, for whoever is not root.
struct Space {
  std::int64_t bytes = 0, inodes = 0;
  bool counts_inodes = true;  ///< false: inodes are made as they are needed

  bool below(const Options& options) const {
    return bytes < options.floor || (counts_inodes && inodes < options.floor_inodes);
  }
};

/// nullopt: it cannot be asked.
std::optional<Space> space_at(const std::string& folder);

/// For people: "1.2 GiB".
std::string readable(std::int64_t bytes);
/// The same of what is free, with the inodes where they are what is short.
std::string words_of(const Space& space, const Options& options);

}  // namespace tiltyard::disk
