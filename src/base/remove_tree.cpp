#include "base/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace tiltyard {
namespace {

constexpr int kDeepest = 16;  ///< folders that are open one inside the other

std::unexpected<Error> stays(const std::string& name) {
  const int why = errno;
  return fail(Code::kInternal, "tree-stays", "Files could not be removed.",
              fmt::format("{}: {}", name, ::strerror(why)));
}

/// One removal.
class Removal {
 public:
  Removal(int aside, const std::stop_token& stop) : aside_(aside), stop_(stop) {}

  Result<> remove(int at, const char* name, int depth) {
    if (stop_.stop_requested() || ::unlinkat(at, name, 0) == 0 || errno == ENOENT) return {};
    // Linux says EISDIR of a folder; POSIX, and some file systems, EPERM.
    if (errno != EISDIR && errno != EPERM) return stays(name);
    if (::unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno != ENOTEMPTY && errno != EEXIST) return stays(name);
    if (depth == kDeepest) return move_up(at, name);
    int folder = ::openat(at, name, kFolder);
    if (folder < 0 && errno == EACCES && ::fchmodat(at, name, 0700, 0) == 0) folder = ::openat(at, name, kFolder);
    if (folder < 0) return stays(name);
    auto emptied = empty(folder, depth);
    if (!emptied || stop_.stop_requested()) return emptied;
    return ::unlinkat(at, name, AT_REMOVEDIR) == 0 ? Result<>{} : stays(name);
  }

 private:
  static constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

  /// A folder that is being emptied may leave entries out of a listing: it is read until nothing is left. Takes the
  /// descriptor.
  Result<> empty(int folder, int depth) {
    DIR* const entries = ::fdopendir(folder);
    if (entries == nullptr) {
      auto failed = stays("a folder");
      ::close(folder);
      return failed;
    }
    Result<> done;
    for (bool some = true; some && done && !stop_.stop_requested();) {
      some = false;
      ::rewinddir(entries);
      while (const dirent* entry = ::readdir(entries)) {
        if (::strcmp(entry->d_name, ".") == 0 || ::strcmp(entry->d_name, "..") == 0) continue;
        some = true;
        done = remove(folder, entry->d_name, depth + 1);
        if (!done || stop_.stop_requested()) break;
      }
    }
    ::closedir(entries);
    return done;
  }

  Result<> move_up(int at, const char* name) {
    static std::atomic<unsigned> last{0};
    while (true) {
      const auto fresh = fmt::format("deep-{}", last.fetch_add(1));
      // Onto a folder that is there a folder can only be moved when that is empty, and then nothing is lost.
      if (::renameat(at, name, aside_, fresh.c_str()) == 0) return {};
      if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return stays(name);
    }
  }

  int aside_;
  const std::stop_token& stop_;
};

}  // namespace

Result<> remove_tree(int at, const std::string& name, const std::stop_token& stop) {
  return Removal(at, stop).remove(at, name.c_str(), 0);
}

}  // namespace tiltyard
