#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "flags/model.h"
#include "privileged/files.h"

/// An instance's own files that hold its flag. Blocking.
namespace tiltyard::flags {

/// What is one owner's own.
struct OwnTexts {
  std::string_view flag, password;
};

/// What an original looks like with these. `flag-does-not-fit`, `flag-file-missing`.
Result<std::string> patched(const Patch& patch, std::string_view placeholder, OwnTexts own);

/// What is in a file that is there under this very name; nullopt: nothing is, or something that is no file.
std::optional<std::string> read_regular(const std::string& path);

/// Writes `content` into the file, which keeps its inode if it is there, with owner, mode, times and capability. Never
/// through a link, nor into anything else that a machine may have put there. `disk-full`, `flag-file-refused`.
Result<> write_in_place(const std::string& path, std::string_view content, const FileFacts& facts);

enum class Place {
  kMounted,  ///< every one that is mounted, also those that are there: nobody has used them yet
  kMissing,  ///< of those what is not there: a player may have written to the others
  kClaimed,  ///< every one that is mounted or there: machines of earlier versions have all of theirs mounted
};
/// Where a patched file lies, below the instance's folder.
std::string file_name(const Patch& patch);
/// Writes files of the plan to where they lie; which ones.
Result<std::set<int>> place_files(const Plan& plan, OwnTexts own, const privileged::Files& files,
                                  const std::string& instance, Place which);

}  // namespace tiltyard::flags
