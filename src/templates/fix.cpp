#include "templates/fix.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "templates/inside.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::size_t kLargestFixed = 1024 * 1024;

/// The lines of a file, each with its end, so that nothing else of it changes.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::string_view line_end(const std::vector<std::string>& lines) {
  return !lines.empty() && lines.front().ends_with("\r\n") ? "\r\n" : "\n";
}

bool word_byte(char c) {
  return c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Where the line has `key` as a key, so before a ":" or "=", bare or in quotes; nullopt: nowhere, or more than once.
std::optional<std::size_t> key_in(std::string_view line, std::string_view key) {
  std::optional<std::size_t> found;
  for (auto at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
    auto end = at + key.size();
    if ((at > 0 && word_byte(line[at - 1])) || (end < line.size() && word_byte(line[end]))) continue;
    if (end < line.size() && (line[end] == '"' || line[end] == '\'')) ++end;
    end = line.find_first_not_of(" \t", end);
    // "a = …", "a: …", and the table's own head "[a]" or "[[a]]".
    if (end == std::string_view::npos || (line[end] != ':' && line[end] != '=' && line[end] != ']')) continue;
    if (found) return std::nullopt;
    found = at;
  }
  return found;
}

std::size_t blanks_before(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

/// Whether the line is all that stands of this key.
bool stands_alone(const std::vector<std::string>& lines, std::size_t at, std::string_view key) {
  const auto text = trim(lines[at]);
  if (!text.starts_with(key) || !trim(text.substr(key.size())).starts_with(':')) return false;
  for (auto next = at + 1; next < lines.size(); ++next) {
    if (trim(lines[next]).empty()) continue;
    return blanks_before(lines[next]) <= blanks_before(lines[at]);
  }
  return true;
}

/// One file of the folder as it will be.
struct Draft {
  bool exists = false;
  int mode = 0644;
  std::string path, before;  ///< the path has no links
  std::vector<std::string> lines;
  std::vector<Fixed> fixed;

  std::string text() const { return fmt::format("{}", fmt::join(lines, "")); }
};

/// Above the file's first key or table, below what it begins with of comments.
void add_setting(Draft& draft, const std::string& line, const std::string& file) {
  const auto first = std::ranges::find_if(draft.lines, [](const std::string& one) {
    const auto text = trim(one);
    return !text.empty() && !text.starts_with('#');
  });
  const auto at = static_cast<int>(first - draft.lines.begin());
  if (first == draft.lines.end() && !draft.lines.empty() && !draft.lines.back().ends_with('\n'))
    draft.lines.back() += line_end(draft.lines);
  draft.lines.insert(draft.lines.begin() + at, line + std::string(line_end(draft.lines)));
  draft.fixed.push_back({file, at + 1, line});
}

void add_variable(Draft& draft, const std::string& line, const std::string& file) {
  if (std::ranges::any_of(draft.lines, [&](const auto& one) { return trim(one).starts_with(line); })) return;
  if (!draft.lines.empty() && !draft.lines.back().ends_with('\n')) draft.lines.back() += line_end(draft.lines);
  draft.lines.push_back(line + std::string(line_end(draft.lines)));
  draft.fixed.push_back({file, static_cast<int>(draft.lines.size()), line});
}

void carry_out(Draft& draft, const Problem& problem, const std::string& file) {
  const Fix& fix = *problem.fix;
  if (fix.deed == Fix::Deed::kSetting) return add_setting(draft, fix.to, file);
  if (fix.deed == Fix::Deed::kVariable) return add_variable(draft, fix.to, file);
  const auto at = static_cast<std::size_t>(problem.line) - 1;
  if (problem.line < 1 || at >= draft.lines.size()) return;
  if (fix.deed == Fix::Deed::kDrop) {
    if (!stands_alone(draft.lines, at, fix.from)) return;
    draft.fixed.push_back({file, problem.line, fmt::format("\"{}\" is taken out", printable(trim(draft.lines[at])))});
    draft.lines[at].clear();
    return;
  }
  const auto key = key_in(draft.lines[at], fix.from);
  if (!key) return;
  draft.lines[at].replace(*key, fix.from.size(), fix.to);
  draft.fixed.push_back({file, problem.line, fmt::format("\"{}\" is \"{}\" now", printable(fix.from), fix.to)});
}

std::string file_of(const Problem& problem) {
  switch (problem.fix->deed) {
    case Fix::Deed::kSetting:
      return "instance.toml";
    case Fix::Deed::kVariable:
      return ".env";
    case Fix::Deed::kRename:
    case Fix::Deed::kDrop:
      break;
  }
  return problem.file;
}

std::expected<Draft, std::string> open_draft(const Inside& inside, const std::string& file) {
  auto found = inside.locate({}, file);
  if (!found) return std::unexpected(found.error());
  Draft draft;
  draft.path = found->path;
  if (found->kind == Found::Kind::kAbsent) return draft;
  if (found->kind != Found::Kind::kFile) return std::unexpected(fmt::format("{} is no file", file));
  auto text = inside.read({}, file, kLargestFixed);
  if (!text) return std::unexpected(text.error());
  draft.exists = true;
  draft.mode = found->mode;
  draft.before = std::move(*text);
  draft.lines = lines_of(draft.before);
  return draft;
}

/// Whose the file was, it stays: root may mend what another account edits.
bool keep_owner(int fd, const std::filesystem::path& path) {
  struct stat before{}, now{};
  if (::lstat(path.c_str(), &before) != 0) return errno == ENOENT;
  if (!S_ISREG(before.st_mode)) {
    errno = ELOOP;
    return false;
  }
  if (::fstat(fd, &now) != 0) return false;
  if (before.st_uid == now.st_uid && before.st_gid == now.st_gid) return true;
  return ::fchown(fd, before.st_uid, before.st_gid) == 0;
}

/// Beside the file, then in its place: who reads meanwhile finds the old one or the new one.
std::expected<void, std::string> replace_file(const std::filesystem::path& path, std::string_view text, int mode) {
  const auto fresh = path.parent_path() / fmt::format(".{}.{}.new", path.filename().string(), ::getpid());
  const auto broken = [&](std::string_view what) {
    const int error = errno;
    ::unlink(fresh.c_str());
    return std::unexpected(fmt::format("{} {}: {}", what, path.string(), std::strerror(error)));
  };
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return broken("cannot write");
  // The owner first: with another one, the kernel takes bits of the mode away.
  bool good = keep_owner(fd, path) && ::fchmod(fd, static_cast<mode_t>(mode)) == 0;
  while (good && !text.empty()) {
    const auto size = ::write(fd, text.data(), text.size());
    good = size > 0 || errno == EINTR;
    if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
  }
  good = good && ::fsync(fd) == 0;
  good = ::close(fd) == 0 && good;
  if (!good || ::rename(fresh.c_str(), path.c_str()) != 0) return broken("cannot write");
  return {};
}

std::size_t errors_of(const Template& read) {
  return static_cast<std::size_t>(std::ranges::count(read.problems, Problem::Severity::kError, &Problem::severity));
}

}  // namespace

FixedFolder fix_folder(const std::string& folder, const Options& options) {
  FixedFolder out{.read = read_folder(folder, options), .fixed = {}, .failed = {}};
  const auto errors = errors_of(out.read);
  const Inside inside(folder);
  std::map<std::string, Draft> drafts;
  for (const auto& problem : out.read.problems) {
    if (!problem.fix) continue;
    const auto file = file_of(problem);
    auto at = drafts.find(file);
    if (at == drafts.end()) {
      auto draft = open_draft(inside, file);
      if (!draft) {
        out.failed.push_back(draft.error());
        continue;
      }
      at = drafts.emplace(file, std::move(*draft)).first;
    }
    // Inserted lines come last, since the others are found by their numbers.
    if (problem.fix->deed != Fix::Deed::kSetting) carry_out(at->second, problem, file);
  }
  for (const auto& problem : out.read.problems) {
    if (!problem.fix || problem.fix->deed != Fix::Deed::kSetting) continue;
    if (const auto at = drafts.find(file_of(problem)); at != drafts.end()) carry_out(at->second, problem, at->first);
  }
  std::erase_if(drafts, [](const auto& one) { return one.second.fixed.empty(); });
  if (drafts.empty()) return out;

  const std::filesystem::path base(folder);
  std::vector<const Draft*> written;
  for (const auto& [file, draft] : drafts) {
    if (auto good = replace_file(base / draft.path, draft.text(), draft.mode); !good) {
      out.failed.push_back(good.error());
      continue;
    }
    written.push_back(&draft);
    out.fixed.insert(out.fixed.end(), draft.fixed.begin(), draft.fixed.end());
  }
  std::ranges::sort(out.fixed, {}, [](const Fixed& one) { return std::pair(one.file, one.line); });
  auto again = read_folder(folder, options);
  if (errors_of(again) <= errors) {
    out.read = std::move(again);
    return out;
  }
  for (const Draft* draft : written) {
    const auto path = base / draft->path;
    if (!draft->exists) ::unlink(path.c_str());
    else if (auto good = replace_file(path, draft->before, draft->mode); !good) out.failed.push_back(good.error());
  }
  out.fixed.clear();
  out.failed.emplace_back("there would be more errors than before; the files are as they were");
  return out;
}

}  // namespace tiltyard::templates
