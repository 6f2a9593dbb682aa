#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tiltyard::disk {

/// How much a machine may write; 0: as much as it likes.
struct Most {
  std::int64_t bytes = 0, inodes = 0;
};

struct Usage {
  std::int64_t bytes = 0;   ///< on disk, so that holes count nothing
  std::int64_t inodes = 0;  ///< a file with several names counts once
  bool too_deep = false;    ///< folders are nested deeper than is looked: nobody needs that

  bool over(const Most& most) const {
    return too_deep || (most.bytes > 0 && bytes > most.bytes) || (most.inodes > 0 && inodes > most.inodes);
  }
};

/// Folders nested deeper are more than anybody needs, and what lies below them would not be counted.
inline constexpr int kDeepestLooked = 200;

/// What is in the folders (or files) together. Ends as soon as it is over `most`, so that it takes at most about a
/// second for 400,000 inodes. Meanwhile all of it may change; what is gone counts nothing. Over at most
/// kDeepestLooked descriptors, without following links. Blocking.
Usage usage_of(const std::vector<std::string>& places, const Most& most);

}  // namespace tiltyard::disk
