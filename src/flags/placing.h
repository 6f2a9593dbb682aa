#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "flags/model.h"

/// An instance's own files that hold its flag. Blocking.
namespace tiltyard::flags {

/// What is one owner's own.
struct OwnTexts {
  std::string_view flag, password;
};

/// What an original looks like with these. `flag-does-not-fit`, `flag-file-missing`.
Result<std::string> patched(const Patch& patch, std::string_view placeholder, OwnTexts own);

/// Writes `content` into the file, which keeps its inode if it is there, with owner, mode, times and capability.
/// `disk-full`, `flag-file-refused`.
Result<> write_in_place(const std::string& path, std::string_view content, const FileFacts& facts);

enum class Place {
  kAll,      ///< every file, also those that are there: nobody has used them yet, or they get another owner
  kMissing,  ///< only files that are not there: a player may have written to the others
};
/// Writes the files of the plan into `folder` as "0", "1", …
Result<> place_files(const Plan& plan, OwnTexts own, const std::string& folder, Place which);

}  // namespace tiltyard::flags
