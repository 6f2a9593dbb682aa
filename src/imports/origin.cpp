#include "imports/origin.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace tiltyard::imports {
namespace {

constexpr std::size_t kMostListed = 20'000;

struct CloseListing {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

Origin::Origin(std::string root)
    : root_(std::move(root)), name_(leaf(root_)), fd_(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

Origin::~Origin() {
  if (fd_ >= 0) ::close(fd_);
}

int Origin::open(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK));
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const std::string name = path.empty() ? "." : path;
  return static_cast<int>(::syscall(SYS_openat2, fd_, name.c_str(), &how, sizeof how));
}

std::vector<Origin::Entry> Origin::list(const std::string& folder) const {
  std::vector<Entry> out;
  const int fd = open(folder, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return out;
  const std::unique_ptr<DIR, CloseListing> listing(::fdopendir(fd));
  if (!listing) {
    ::close(fd);
    return out;
  }
  while (const dirent* one = ::readdir(listing.get())) {
    const std::string name = one->d_name;
    struct stat info{};
    if (!hidden_.empty() && joined(folder, name) == hidden_) continue;
    if (name == "." || name == ".." || ::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const auto kind = S_ISREG(info.st_mode)   ? Entry::Kind::kFile
                      : S_ISDIR(info.st_mode) ? Entry::Kind::kFolder
                      : S_ISLNK(info.st_mode) ? Entry::Kind::kLink
                                              : Entry::Kind::kOther;
    out.push_back({name, kind, info.st_size});
    if (out.size() >= kMostListed) break;
  }
  std::ranges::sort(out, {}, &Entry::name);
  return out;
}

bool Origin::is_file(const std::string& path) const {
  const int fd = open(path, O_PATH);
  struct stat info{};
  const bool is = fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  if (fd >= 0) ::close(fd);
  return is;
}

bool Origin::is_folder(const std::string& path) const {
  const int fd = open(path, O_PATH | O_DIRECTORY);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

std::expected<std::string, std::string> Origin::read(const std::string& path, std::size_t most) const {
  const int fd = open(path, O_RDONLY);
  if (fd < 0) {
    return std::unexpected(errno == EXDEV || errno == ELOOP ? "a link that leads out of what is imported"
                                                            : std::strerror(errno));
  }
  struct stat info{};
  std::string text;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return std::unexpected("this is no file");
  }
  if (static_cast<std::uint64_t>(info.st_size) > most) {
    ::close(fd);
    return std::unexpected(fmt::format("the file is larger than {} KiB", most / 1024));
  }
  text.resize(static_cast<std::size_t>(info.st_size));
  std::size_t have = 0;
  while (have < text.size()) {
    const auto got = ::read(fd, text.data() + have, text.size() - have);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  ::close(fd);
  text.resize(have);
  return text;
}

std::string joined(std::string_view folder, std::string_view name) {
  if (folder.empty() || name.empty()) return std::string(folder.empty() ? name : folder);
  return fmt::format("{}/{}", folder, name);
}

std::expected<std::string, std::string> resolved(std::string_view folder, std::string_view path) {
  if (path.empty() || path.starts_with('/')) return std::unexpected("an absolute path, or none");
  if (path.find('\0') != std::string_view::npos) return std::unexpected("no path");
  std::string out(folder);
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      out = joined(out, part);
    } else if (out.empty()) {
      return std::unexpected("it leads out of what is imported");
    } else {
      out = parent(out);
    }
  }
  return out;
}

std::string leaf(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

std::string parent(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string{} : std::string(path.substr(0, slash));
}

}  // namespace tiltyard::imports
