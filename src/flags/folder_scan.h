#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// The different `prefix{...}` in a template's folder (row 5.1), the likeliest first and 64 at most: what lies in a
/// folder of hand-outs, or calls itself a fake, comes last; else files named for a flag first, then configuration, then
/// everything else; within each, what is nearest to the top and first by name. Blocking. No link is followed.
std::vector<FoundBase> find_bases(const std::string& folder, std::string_view prefix, const FolderLimits& limits = {});

/// A variable that other platforms put the flag into (GZCTF_FLAG, FLAG, ...) and that a file of the folder asks for;
/// the likeliest. Blocking.
std::optional<FoundBase> find_asked_variable(const std::string& folder, const FolderLimits& limits = {});

}  // namespace tiltyard::flags
