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

crypto_generichash_state* state_of(unsigned char* bytes) { return reinterpret_cast<crypto_generichash_state*>(bytes); }

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

/// Walks one tree and feeds a hash. Entries are opened relative to their folder's descriptor and never followed.
class TreeHasher {
 public:
  TreeHasher(const engine::Ignore& ignore, ContentHash& hash, const TreeLimits& limits)
      : ignore_(ignore), hash_(hash), limits_(limits) {}

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
    const bool ignored = ignore_.excludes(path);
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
      hash_.add({target, static_cast<std::size_t>(length)});
      return {};
    }
    if (!S_ISREG(info.st_mode))
      return std::unexpected(fmt::format("\"{}\" is neither a file nor a folder nor a link", printable(path)));
    return content(parent, name, path);
  }

  /// Whether a link at `path` leads above the tree's root. An absolute one always does.
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

  const engine::Ignore& ignore_;
  ContentHash& hash_;
  const TreeLimits& limits_;
  std::size_t files_ = 0, looked_at_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace

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

std::expected<void, std::string> hash_tree(const std::string& folder, const engine::Ignore& ignore, ContentHash& hash,
                                           const TreeLimits& limits) {
  return TreeHasher(ignore, hash, limits).folder(AT_FDCWD, folder.c_str(), {}, 0);
}

std::expected<std::string, std::string> hash_build(const engine::BuildSpec& build, std::string_view dockerfile,
                                                   const TreeLimits& limits) {
  const auto ignored = engine::read_ignore_text(build);
  if (!ignored) return std::unexpected(ignored.error());
  const engine::Ignore ignore(*ignored);
  if (!ignore.fault().empty()) return std::unexpected(fmt::format("its .dockerignore, {}", printable(ignore.fault())));
  ContentHash hash;
  // Builders read both files even where they are no part of the context.
  const bool outside = build.dockerfile_text.empty() && ignore.excludes(build.dockerfile);
  // Images are found again by it after an upgrade: what earlier versions hashed stays as it was, what they had
  // forgotten is added where it counts.
  hash.add("tiltyard build 1");
  hash.add(build.dockerfile_text.empty() && !outside ? build.dockerfile : std::string{});
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
  auto tree = hash_tree(build.context, ignore, hash, limits);
  if (!tree) return std::unexpected(tree.error());
  if (outside) {
    hash.add("dockerfile");
    hash.add(dockerfile);
  }
  if (build.ignore_text || ignore.excludes(".dockerignore") || ignore.excludes(build.dockerfile + ".dockerignore")) {
    hash.add("ignored");
    hash.add(*ignored);
  }
  if (!build.secrets.empty()) pairs("secrets", build.secrets);
  for (const auto& [name, from] : build.contexts) {
    hash.add("named " + name);
    if (!from.starts_with('/')) {
      hash.add(from);
      continue;
    }
    const auto beside = engine::read_ignore_text(engine::named_context(from));
    if (!beside) return std::unexpected(fmt::format("{}: {}", name, beside.error()));
    const engine::Ignore left_out(*beside);
    if (!left_out.fault().empty())
      return std::unexpected(fmt::format("the .dockerignore of {}, {}", name, printable(left_out.fault())));
    if (auto more = hash_tree(from, left_out, hash, limits); !more) return std::unexpected(more.error());
  }
  return hash.hex();
}

}  // namespace tiltyard::templates
