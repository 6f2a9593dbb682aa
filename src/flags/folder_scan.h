#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiltyard::flags {

/// How much of a template's folder is looked at.
struct FolderLimits {
  std::size_t files = 2000;
  std::size_t depth = 12;
  std::int64_t file_bytes = 1024 * 1024;
  std::int64_t bytes = 64LL * 1024 * 1024;
};

struct FoundBase {
  std::string text;  ///< "PREFIX{base}"
  std::string file;  ///< relative to the folder
};

/// The first `prefix{...}` in a template's folder (row 5.1): files named for a flag first, then configuration, then
/// everything else; within each, what is nearest to the top and first by name. Blocking. No link is followed.
std::optional<FoundBase> find_base(const std::string& folder, std::string_view prefix, const FolderLimits& limits = {});

}  // namespace tiltyard::flags
