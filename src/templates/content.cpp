#include "templates/content.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "templates/text.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr int kDeepestTree = 64;
constexpr std::size_t kMostEntries = 20'000;  // looked at, ignored ones included

/// filepath.Match of one path component: * ? [a-z] [^a] and backslash.
bool match_part(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  const auto one = [&](std::size_t& at, char c) {
    if (pattern[at] == '?') return ++at, true;
    if (pattern[at] == '[') {
      std::size_t i = at + 1;
      const bool negated = i < pattern.size() && (pattern[i] == '^' || pattern[i] == '!');
      if (negated) ++i;
      bool hit = false;
      for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
        const char low = pattern[i++];
        char high = low;
        if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
          high = pattern[i + 1];
          i += 2;
        }
        if (low <= c && c <= high) hit = true;
      }
      if (i >= pattern.size()) return false;
      at = i + 1;
      return hit != negated;
    }
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    if (pattern[at] != c) return false;
    ++at;
    return true;
  };
  while (t < text.size()) {
    std::size_t next = p;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && one(next, text[t])) {
      p = next;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

using Parts = std::vector<std::string_view>;

/// `**` stands for any number of folders. Reached cells are remembered, so that many `**` cost no more than their
/// product.
bool match_parts(const std::vector<std::string>& pattern, const Parts& path) {
  std::vector<char> reach(path.size() + 1, 0);
  reach[0] = 1;
  for (const auto& part : pattern) {
    std::vector<char> next(path.size() + 1, 0);
    for (std::size_t i = 0; i <= path.size(); ++i) {
      if (!reach[i]) continue;
      if (part == "**") {
        for (std::size_t j = i; j <= path.size(); ++j) next[j] = 1;
      } else if (i < path.size() && match_part(part, path[i])) {
        next[i + 1] = 1;
      }
    }
    reach = std::move(next);
  }
  return reach[path.size()] != 0;
}

crypto_generichash_state* state_of(unsigned char* bytes) { return reinterpret_cast<crypto_generichash_state*>(bytes); }

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

/// Walks one tree and feeds a hash. Entries are opened relative to their folder's descriptor and never followed.
class TreeHasher {
 public:
  TreeHasher(const IgnorePatterns& ignore, ContentHash& hash, Links links, const TreeLimits& limits)
      : ignore_(ignore), hash_(hash), links_(links), limits_(limits) {}

  std::expected<void, std::string> folder(int parent, const char* name, const std::string& path, int depth) {
    if (depth > kDeepestTree) return std::unexpected("the folder is nested too deep");
    const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return unreadable(path);
    const std::unique_ptr<DIR, CloseFolder> open(::fdopendir(fd));
    if (!open) {
      ::close(fd);
      return unreadable(path);
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(open.get())) {
      const std::string_view one = entry->d_name;
      if (one != "." && one != "..") names.emplace_back(one);
      if (++looked_at_ > kMostEntries)
        return std::unexpected(fmt::format("more than {} files and folders", kMostEntries));
    }
    std::ranges::sort(names);
    for (const auto& one : names) {
      auto done = entry(::dirfd(open.get()), one, path.empty() ? one : path + "/" + one, depth);
      if (!done) return done;
    }
    return {};
  }

 private:
  static std::unexpected<std::string> unreadable(const std::string& path) {
    return std::unexpected(fmt::format("\"{}\" cannot be read: {}", printable(path), std::strerror(errno)));
  }

  std::expected<void, std::string> entry(int parent, const std::string& name, const std::string& path, int depth) {
    struct stat info{};
    if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return unreadable(path);
    const bool ignored = ignore_.ignored(path);
    if (S_ISDIR(info.st_mode)) {
      if (ignored && !ignore_.has_exceptions()) return {};
      if (!ignored) describe(path, info);
      return folder(parent, name.c_str(), path, depth + 1);
    }
    if (ignored) return {};
    if (++files_ > limits_.files)
      return std::unexpected(
          fmt::format("more than {} files; list what the build does not need in .dockerignore", limits_.files));
    describe(path, info);
    if (S_ISLNK(info.st_mode)) {
      char target[4096];
      const auto length = ::readlinkat(parent, name.c_str(), target, sizeof target);
      if (length < 0) return unreadable(path);
      const std::string_view to(target, static_cast<std::size_t>(length));
      if (links_ == Links::kInside && leaves(path, to)) {
        return std::unexpected(fmt::format("\"{}\" is a symlink that leaves the folder", printable(path)));
      }
      hash_.add(to);
      return {};
    }
    if (!S_ISREG(info.st_mode))
      return std::unexpected(fmt::format("\"{}\" is neither a file nor a folder nor a link", printable(path)));
    return content(parent, name, path);
  }

  /// Whether a link at `path` leads above the tree's root. An absolute one always does.
  static bool leaves(std::string_view path, std::string_view target) {
    if (target.starts_with('/')) return true;
    int depth = static_cast<int>(std::ranges::count(path, '/'));
    for (const auto part : split(target, '/')) {
      if (part == "..") --depth;
      else if (!part.empty() && part != ".") ++depth;
      if (depth < 0) return true;
    }
    return false;
  }

  void describe(const std::string& path, const struct stat& info) {
    hash_.add(path);
    hash_.add(fmt::format("{:o}", info.st_mode));
  }

  std::expected<void, std::string> content(int parent, const std::string& name, const std::string& path) {
    const int fd = ::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return unreadable(path);
    ContentHash inner;
    std::vector<char> block(256 * 1024);
    while (true) {
      const auto got = ::read(fd, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        ::close(fd);
        if (got < 0) return unreadable(path);
        break;
      }
      bytes_ += got;
      if (bytes_ > limits_.bytes) {
        ::close(fd);
        return std::unexpected(fmt::format("more than {} MB; list what the build does not need in .dockerignore",
                                           limits_.bytes / (1024 * 1024)));
      }
      inner.add({block.data(), static_cast<std::size_t>(got)});
    }
    hash_.add(inner.hex());
    return {};
  }

  const IgnorePatterns& ignore_;
  ContentHash& hash_;
  Links links_;
  const TreeLimits& limits_;
  std::size_t files_ = 0, looked_at_ = 0;
  std::int64_t bytes_ = 0;
};

std::string read_ignore_file(const std::string& folder) {
  const int fd = ::open((folder + "/.dockerignore").c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text(64 * 1024, '\0');
  const auto got = ::read(fd, text.data(), text.size());
  ::close(fd);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace

IgnorePatterns::IgnorePatterns(std::string_view text) {
  const auto clean = clean_text(text);
  if (!clean) return;
  for (auto line : split(*clean, '\n')) {
    line = trim(line);
    if (line.empty() || line[0] == '#') continue;
    Pattern pattern;
    if (line[0] == '!') {
      pattern.except = true;
      line = trim(line.substr(1));
    }
    for (const auto part : split(line, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        if (!pattern.parts.empty()) pattern.parts.pop_back();
      } else {
        pattern.parts.emplace_back(part);
      }
    }
    if (pattern.parts.empty()) continue;
    exceptions_ = exceptions_ || pattern.except;
    patterns_.push_back(std::move(pattern));
    if (patterns_.size() >= 1000) return;
  }
}

bool IgnorePatterns::ignored(std::string_view path) const {
  bool out = false;
  const auto parts = split(path, '/');
  for (const auto& pattern : patterns_) {
    if (pattern.except != out) continue;  // it would change nothing
    for (std::size_t count = 1; count <= parts.size(); ++count) {
      if (match_parts(pattern.parts, Parts(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(count)))) {
        out = !pattern.except;
        break;
      }
    }
  }
  return out;
}

ContentHash::ContentHash() {
  static_assert(sizeof(crypto_generichash_state) <= sizeof state_);
  crypto_generichash_init(state_of(state_), nullptr, 0, 32);
}

void ContentHash::add(std::string_view piece) {
  unsigned char length[8];
  for (int i = 0; i < 8; ++i)
    length[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(piece.size()) >> (8 * i));
  crypto_generichash_update(state_of(state_), length, sizeof length);
  crypto_generichash_update(state_of(state_), reinterpret_cast<const unsigned char*>(piece.data()), piece.size());
}

std::string ContentHash::hex(std::size_t bytes) {
  unsigned char digest[32];
  crypto_generichash_final(state_of(state_), digest, sizeof digest);
  std::string out;
  for (std::size_t i = 0; i < std::min(bytes, sizeof digest); ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

std::expected<void, std::string> hash_tree(const std::string& folder, const IgnorePatterns& ignore, ContentHash& hash,
                                           Links links, const TreeLimits& limits) {
  return TreeHasher(ignore, hash, links, limits).folder(AT_FDCWD, folder.c_str(), {}, 0);
}

std::expected<std::string, std::string> hash_build(const engine::BuildSpec& build, const TreeLimits& limits) {
  ContentHash hash;
  hash.add("tiltyard build 1");
  hash.add(build.dockerfile_text.empty() ? build.dockerfile : std::string{});
  hash.add(build.dockerfile_text);
  hash.add(build.target);
  hash.add(build.network ? "network" : "no network");
  const auto pairs = [&hash](std::string_view what, const std::map<std::string, std::string>& values) {
    hash.add(fmt::format("{} {}", what, values.size()));
    for (const auto& [key, value] : values) {
      hash.add(key);
      hash.add(value);
    }
  };
  pairs("args", build.args);
  pairs("labels", build.labels);
  auto tree = hash_tree(build.context, IgnorePatterns(read_ignore_file(build.context)), hash, Links::kInside, limits);
  if (!tree) return std::unexpected(tree.error());
  return hash.hex();
}

}  // namespace tiltyard::templates
