#pragma once

#include <optional>
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
  kAll,      ///< every file, also those that are there: nobody has used them yet, or they get another owner
  kMissing,  ///< only files that are not there: a player may have written to the others
};
/// Where the privileged half keeps a patched file, below the instance's folder.
std::string apart_name(const Patch& patch);
/// The same as `place_files` through the privileged half, which needs no right of ours but to ask.
Result<> place_apart(const Plan& plan, OwnTexts own, const privileged::Files& files, const std::string& instance,
                     Place which);

/// Writes the files of the plan into `folder` as "0", "1", …
Result<> place_files(const Plan& plan, OwnTexts own, const std::string& folder, Place which);

}  // namespace tiltyard::flags
