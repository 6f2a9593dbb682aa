#pragma once

#include <cstdint>
#include <string>

#include "imports/draft.h"
#include "imports/origin.h"

namespace tiltyard::imports {

/// What a result may be at most.
struct Sizes {
  std::int64_t file = std::int64_t{1} << 30;  ///< one file; --max-file
  std::int64_t all = std::int64_t{4} << 30;   ///< all files of one challenge, or of an archive; --max-size
  std::size_t files = 20'000;                 ///< of one challenge
};

/// Writes a draft as a template's folder, which must not be there yet: sources, files for players, what is generated.
/// What does not work is noted in the draft, and refuses it.
void build_result(const Origin& origin, Draft& draft, const std::string& id, const std::string& folder,
                  const Sizes& sizes);

}  // namespace tiltyard::imports
