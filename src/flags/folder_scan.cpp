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

constexpr std::size_t kMostFound = 64;

/// Where other platforms put a flag, those that nothing else is called like first.
constexpr std::array<std::string_view, 7> kPlatformVariables{"GZCTF_FLAG", "RCTF_FLAG", "ICQ_FLAG", "DASFLAG",
                                                             "CTFD_FLAG",  "CTF_FLAG",  "FLAG"};

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

/// Calls `visit` with each file and its content, the likeliest holders of a flag first, until it says no.
template <class Visit>
void each_file(const std::string& folder, const FolderLimits& limits, Visit visit) {
  auto candidates = list(folder, limits);
  std::ranges::sort(candidates, {}, &Candidate::key);
  std::int64_t left = limits.bytes;
  for (const auto& candidate : candidates) {
    const auto content = read(fs::path(folder) / candidate.path, std::min(limits.file_bytes, left));
    left -= static_cast<std::int64_t>(content.size());
    if (!visit(candidate, content) || left <= 0) return;
  }
}

/// Whether a file lies where authors keep what players download.
bool is_handed_out(const std::string& path) {
  static constexpr std::array<std::string_view, 11> kFolders{"dist",       "handout",     "handouts", "public",
                                                             "attachment", "attachments", "download", "downloads",
                                                             "files",      "release",     "player"};
  const auto parts = fs::path(path).parent_path();
  return std::ranges::any_of(
      parts, [](const fs::path& part) { return std::ranges::find(kFolders, lower(part.string())) != kFolders.end(); });
}

bool calls_itself_fake(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kWords{"fake", "redacted", "example", "dummy", "not_the", "sample"};
  const auto name = lower(text);
  return std::ranges::any_of(kWords, [&](auto word) { return name.contains(word); });
}

/// `$NAME`, `${NAME...`, or the name in quotes, as programs ask their environment; beside it no other letter of a name.
bool asks_for(std::string_view content, std::string_view name) {
  const auto of_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (auto at = content.find(name); at != std::string_view::npos; at = content.find(name, at + 1)) {
    const char before = at == 0 ? ' ' : content[at - 1];
    const auto end = at + name.size();
    const char after = end < content.size() ? content[end] : ' ';
    const bool asked = before == '$' || before == '"' || before == '\'' || content.substr(0, at).ends_with("${") ||
                       content.substr(0, at).ends_with("env.");
    if (asked && !of_name(after)) return true;
  }
  return false;
}

}  // namespace

std::vector<FoundBase> find_bases(const std::string& folder, std::string_view prefix, const FolderLimits& limits) {
  std::vector<FoundBase> found;
  each_file(folder, limits, [&](const Candidate& candidate, const std::string& content) {
    for (auto& text : find_placeholders(content, prefix, kMostFound)) {
      if (std::ranges::find(found, text, &FoundBase::text) == found.end())
        found.push_back({std::move(text), candidate.path});
    }
    return found.size() < kMostFound;
  });
  if (found.size() > kMostFound) found.resize(kMostFound);
  std::ranges::stable_sort(found, {}, [&](const FoundBase& one) {
    return (is_handed_out(one.file) ? 2 : 0) + (calls_itself_fake(one.text.substr(prefix.size())) ? 1 : 0);
  });
  return found;
}

std::optional<FoundBase> find_asked_variable(const std::string& folder, const FolderLimits& limits) {
  std::array<std::string, kPlatformVariables.size()> where;
  each_file(folder, limits, [&](const Candidate& candidate, const std::string& content) {
    const bool told = candidate.path.ends_with(".md") || candidate.path.ends_with(".txt");  // for people
    if (told || is_handed_out(candidate.path) || is_binary(content)) return true;
    for (std::size_t i = 0; i < where.size(); ++i) {
      if (where[i].empty() && asks_for(content, kPlatformVariables[i])) where[i] = candidate.path;
    }
    return true;
  });
  for (std::size_t i = 0; i < where.size(); ++i) {
    if (!where[i].empty()) return FoundBase{std::string(kPlatformVariables[i]), where[i]};
  }
  return std::nullopt;
}

}  // namespace tiltyard::flags
