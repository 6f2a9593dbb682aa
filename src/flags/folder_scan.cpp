#include "flags/folder_scan.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "flags/text.h"

namespace tiltyard::flags {
namespace {

namespace fs = std::filesystem;

/// In the order in which they are searched.
enum class Kind { kFlag, kNamedForFlag, kConfiguration, kSource };

constexpr std::array<std::string_view, 10> kConfigurationEndings{".env",  ".toml", ".yml", ".yaml",       ".json",
                                                                 ".conf", ".cfg",  ".ini", ".properties", ".xml"};

Kind kind_of(const std::string& file_name) {
  const auto name = lower(file_name);
  if (name == "flag" || name == "flag.txt") return Kind::kFlag;
  if (name.contains("flag")) return Kind::kNamedForFlag;
  if (name.contains("compose") || name.starts_with("dockerfile") || name.ends_with(".dockerfile"))
    return Kind::kConfiguration;
  const bool configures =
      std::ranges::any_of(kConfigurationEndings, [&](auto ending) { return name.ends_with(ending); });
  return configures ? Kind::kConfiguration : Kind::kSource;
}

struct Candidate {
  Kind kind;
  std::size_t depth;
  std::string path;  ///< relative to the folder

  auto key() const { return std::tie(kind, depth, path); }
};

/// Folder by folder, so that the bound on their number meets the deep ones.
std::vector<Candidate> list(const fs::path& folder, const FolderLimits& limits) {
  std::vector<Candidate> out;
  std::vector<fs::path> level{fs::path{}};
  for (std::size_t depth = 0; depth <= limits.depth && !level.empty(); ++depth) {
    std::vector<fs::path> below;
    for (const auto& at : level) {
      std::error_code failure;
      for (fs::directory_iterator entry(folder / at, failure), end; !failure && entry != end;
           entry.increment(failure)) {
        std::error_code ignored;
        const auto status = entry->symlink_status(ignored);
        const auto name = entry->path().filename().string();
        if (fs::is_directory(status) && name != ".git") below.push_back(at / name);
        if (fs::is_regular_file(status)) out.push_back({kind_of(name), depth, (at / name).string()});
        if (out.size() >= limits.files) return out;
      }
    }
    std::ranges::sort(below);
    level = std::move(below);
  }
  return out;
}

std::string read(const fs::path& path, std::int64_t most) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  if (failure || static_cast<std::int64_t>(size) > most) return {};
  std::string content(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(content.data(), static_cast<std::streamsize>(size));
  content.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return content;
}

}  // namespace

std::optional<FoundBase> find_base(const std::string& folder, std::string_view prefix, const FolderLimits& limits) {
  auto candidates = list(folder, limits);
  std::ranges::sort(candidates, {}, &Candidate::key);
  std::int64_t left = limits.bytes;
  for (const auto& candidate : candidates) {
    const auto content = read(fs::path(folder) / candidate.path, std::min(limits.file_bytes, left));
    left -= static_cast<std::int64_t>(content.size());
    auto found = find_placeholders(content, prefix, 1);
    if (!found.empty()) return FoundBase{std::move(found.front()), candidate.path};
    if (left <= 0) break;
  }
  return std::nullopt;
}

}  // namespace tiltyard::flags
