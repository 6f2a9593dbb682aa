#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"

namespace tiltyard::imports {

/// What an import has left in a folder: `.import.json` in it. By it the next one knows what was changed by hand.
struct Manifest {
  std::string format;
  std::string source;  ///< where it came from: the original's folder, or what names it in an archive
  std::string root;    ///< what was imported then; empty for archives, which come under a new name each time
  std::string key;     ///< names it in there
  std::map<std::string, std::string> files;  ///< by path: hash of the content and the mode, or where a link leads
};

inline constexpr char kManifestFile[] = ".import.json";

std::optional<Manifest> read_manifest(const std::string& folder);
std::string manifest_text(const Manifest& manifest);
/// Everything below a folder but the manifest, as `Manifest::files` has it. Links are not followed.
Result<std::map<std::string, std::string>> files_below(const std::string& folder);

}  // namespace tiltyard::imports
