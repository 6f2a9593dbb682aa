#include "disk/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unordered_set>

namespace tiltyard::disk {
namespace {

constexpr int kUnit = 512;  ///< bytes, of st_blocks (stat(2))

/// One count.
class Counting {
 public:
  explicit Counting(const Most& most) : most_(most) {}

  void add(int at, const char* name, int depth) {
    struct stat status{};
    if (::fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    const bool folder = S_ISDIR(status.st_mode);
    if (!folder && status.st_nlink > 1 && !seen_.insert(status.st_ino).second) return;
    ++usage_.inodes;
    usage_.bytes += static_cast<std::int64_t>(status.st_blocks) * kUnit;
    if (!folder) return;
    if (depth == kDeepestLooked) {
      usage_.too_deep = true;
      return;
    }
    const int opened = ::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR* const entries = opened < 0 ? nullptr : ::fdopendir(opened);
    if (entries == nullptr) {
      if (opened >= 0) ::close(opened);
      return;
    }
    while (const dirent* entry = usage_.over(most_) ? nullptr : ::readdir(entries)) {
      if (::strcmp(entry->d_name, ".") != 0 && ::strcmp(entry->d_name, "..") != 0)
        add(opened, entry->d_name, depth + 1);
    }
    ::closedir(entries);
  }

  const Usage& usage() const { return usage_; }

 private:
  const Most& most_;
  Usage usage_;
  std::unordered_set<ino_t> seen_;  ///< of files with several names; all places of one machine are few file systems
};

}  // namespace

Usage usage_of(const std::vector<std::string>& places, const Most& most) {
  Counting counting(most);
  for (const auto& place : places) {
    if (!counting.usage().over(most)) counting.add(AT_FDCWD, place.c_str(), 0);
  }
  return counting.usage();
}

}  // namespace tiltyard::disk
