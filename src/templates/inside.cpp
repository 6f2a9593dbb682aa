#include "templates/inside.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr int kMostLinks = 40;
constexpr std::size_t kLongestPath = 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

void push_front(std::deque<std::string>& pending, std::string_view path) {
  const auto parts = split(path, '/');
  for (auto it = parts.rbegin(); it != parts.rend(); ++it) {
    if (!it->empty() && *it != ".") pending.emplace_front(*it);
  }
}

/// The walk: a stack of open folders from the template's folder down to where we are.
class Walk {
 public:
  Walk(int root, std::string_view folder) : root_(root), folder_(folder) {}

  std::expected<Found, std::string> go(std::string_view base, std::string_view path) {
    if (path.size() + base.size() > kLongestPath) return std::unexpected("the path is too long");
    if (path.find('\0') != std::string_view::npos) return std::unexpected("the path holds a zero byte");
    if (path.starts_with('/')) {
      return std::unexpected(
          fmt::format("\"{}\" is absolute; only paths inside the template's folder may be used", printable(path)));
    }
    if (path.starts_with('~')) {
      return std::unexpected(fmt::format(
          "\"{}\" starts in a home folder; only paths inside the template's folder may be used", printable(path)));
    }
    push_front(pending_, path);
    push_front(pending_, base);
    asked_ = path;
    while (!pending_.empty()) {
      auto stepped = step();
      if (!stepped) return std::unexpected(stepped.error());
      if (!*stepped) return absent();
    }
    return describe();
  }

  /// The regular file the walk ended at, opened for reading.
  Descriptor open_file() const {
    if (leaf_.empty()) return Descriptor{};
    return Descriptor{::openat(here(), leaf_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  }

 private:
  int here() const { return stack_.empty() ? root_ : stack_.back().get(); }

  std::unexpected<std::string> leaves() const {
    return std::unexpected(fmt::format("\"{}\" leaves the template's folder", printable(asked_)));
  }

  /// One component. False: it is not there.
  std::expected<bool, std::string> step() {
    std::string name = std::move(pending_.front());
    pending_.pop_front();
    if (!leaf_.empty()) return false;  // something below a file
    if (name == "..") {
      if (stack_.empty()) return leaves();
      stack_.pop_back();
      names_.pop_back();
      return true;
    }
    struct stat info{};
    if (::fstatat(here(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      missing_ = std::move(name);
      return false;
    }
    if (S_ISLNK(info.st_mode)) return follow(name);
    info_ = info;
    if (!S_ISDIR(info.st_mode)) {
      leaf_ = std::move(name);
      return true;
    }
    Descriptor next{::openat(here(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!next)
      return std::unexpected(fmt::format("\"{}\" cannot be opened: {}", printable(asked_), std::strerror(errno)));
    if (stack_.size() > 100) return std::unexpected("the path is too deep");
    stack_.push_back(std::move(next));
    names_.push_back(std::move(name));
    return true;
  }

  std::expected<bool, std::string> follow(const std::string& name) {
    if (++links_ > kMostLinks)
      return std::unexpected(fmt::format("the symlinks of \"{}\" run in circles", printable(asked_)));
    char target[PATH_MAX];
    const auto length = ::readlinkat(here(), name.c_str(), target, sizeof target);
    if (length <= 0 || length == static_cast<ssize_t>(sizeof target)) return leaves();
    std::string_view to(target, static_cast<std::size_t>(length));
    if (to.starts_with('/')) {
      // An absolute link may point back inside; it starts from the folder again, never from the root.
      if (to != folder_ && !to.starts_with(std::string(folder_) + "/")) {
        return std::unexpected(fmt::format("\"{}\" is a symlink that leaves the template's folder", printable(asked_)));
      }
      to.remove_prefix(folder_.size());
      stack_.clear();
      names_.clear();
    }
    push_front(pending_, to);
    return true;
  }

  std::string joined(std::string_view last) const {
    std::string path;
    for (const auto& name : names_) path += (path.empty() ? "" : "/") + name;
    if (!last.empty()) path += (path.empty() ? "" : "/") + std::string(last);
    return path;
  }

  std::expected<Found, std::string> absent() const {
    Found found;
    found.path = joined(missing_);
    // What follows the missing part must not climb out either.
    std::string rest;
    for (const auto& name : pending_) rest += "/" + name;
    auto path = join_inside(found.path, rest.empty() ? "." : rest.substr(1));
    if (!path) return leaves();
    found.path = *path;
    return found;
  }

  Found describe() const {
    Found found;
    found.path = joined(leaf_);
    if (leaf_.empty()) {
      found.kind = Found::Kind::kFolder;
      struct stat info{};
      if (::fstat(here(), &info) == 0) found.mode = static_cast<int>(info.st_mode & 07777);
      return found;
    }
    found.kind = S_ISREG(info_.st_mode) ? Found::Kind::kFile : Found::Kind::kSpecial;
    found.mode = static_cast<int>(info_.st_mode & 07777);
    found.size = info_.st_size;
    return found;
  }

  int root_;
  std::string_view folder_;
  std::deque<std::string> pending_;
  std::vector<Descriptor> stack_;
  std::vector<std::string> names_;
  std::string leaf_, missing_, asked_;
  struct stat info_{};
  int links_ = 0;
};

}  // namespace

Inside::Inside(std::string folder) {
  char real[PATH_MAX];
  folder_ = ::realpath(folder.c_str(), real) ? std::string(real) : std::move(folder);
  fd_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

Inside::~Inside() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<Found, std::string> Inside::locate(std::string_view base, std::string_view path) const {
  if (fd_ < 0) return std::unexpected("the template's folder cannot be opened");
  return Walk(fd_, folder_).go(base, path);
}

std::expected<std::string, std::string> Inside::read(std::string_view base, std::string_view path,
                                                     std::size_t most) const {
  if (fd_ < 0) return std::unexpected("the template's folder cannot be opened");
  Walk walk(fd_, folder_);
  auto found = walk.go(base, path);
  if (!found) return std::unexpected(found.error());
  if (found->kind == Found::Kind::kAbsent)
    return std::unexpected(fmt::format("there is no file \"{}\"", printable(path)));
  if (found->kind != Found::Kind::kFile)
    return std::unexpected(fmt::format("\"{}\" is not a regular file", printable(path)));
  const Descriptor file = walk.open_file();
  if (!file) return std::unexpected(fmt::format("\"{}\" cannot be read: {}", printable(path), std::strerror(errno)));
  std::string content;
  char block[16384];
  while (true) {
    const auto got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return std::unexpected(fmt::format("\"{}\" cannot be read: {}", printable(path), std::strerror(errno)));
    if (got == 0) return content;
    content.append(block, static_cast<std::size_t>(got));
    if (content.size() > most) {
      return std::unexpected(
          fmt::format("\"{}\" has more than {} bytes, the most that is read", printable(path), most));
    }
  }
}

std::expected<std::string, std::string> join_inside(std::string_view base, std::string_view path) {
  if (path.starts_with('/')) return std::unexpected("absolute");
  std::vector<std::string_view> kept;
  for (const auto text : {base, path}) {
    for (const auto part : split(text, '/')) {
      if (part.empty() || part == ".") continue;
      if (part != "..") {
        kept.push_back(part);
      } else if (kept.empty()) {
        return std::unexpected("leaves the folder");
      } else {
        kept.pop_back();
      }
    }
  }
  std::string out;
  for (const auto part : kept) out += (out.empty() ? "" : "/") + std::string(part);
  return out;
}

std::string folder_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string{} : std::string(path.substr(0, slash));
}

}  // namespace tiltyard::templates
