#include "labs/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <vector>

#include "base/id.h"
#include "base/remove_tree.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

constexpr int kUnhurried = 5;  ///< nice
constexpr std::chrono::minutes kTriesAgainAfter{1};

std::vector<std::string> names_in(int folder) {
  std::vector<std::string> names;
  DIR* const entries = ::fdopendir(::dup(folder));
  if (entries == nullptr) return names;
  ::rewinddir(entries);
  while (const dirent* entry = ::readdir(entries)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(entries);
  return names;
}

}  // namespace

Leftovers::Leftovers(std::string folder)
    : folder_(std::move(folder)),
      aside_(folder_ + "/.gone"),
      worker_([this](const std::stop_token& stop) { work(stop); }) {}

Result<> Leftovers::take(const std::string& name) {
  const auto there = fmt::format("{}/{}", folder_, name);
  const auto beside = fmt::format("{}/{}-{}", aside_, name, random_hex(8));
  if (::rename(there.c_str(), beside.c_str()) != 0) {
    if (errno == ENOENT && ::access(there.c_str(), F_OK) != 0) return {};
    ::mkdir(aside_.c_str(), 0700);
    if (::rename(there.c_str(), beside.c_str()) != 0) {
      const int why = errno;
      return fail(Code::kInternal, "files-stay", "The instance's files could not be removed.", ::strerror(why));
    }
  }
  const std::scoped_lock lock(mutex_);
  waiting_ = true;
  more_.notify_one();
  return {};
}

void Leftovers::work(const std::stop_token& stop) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kUnhurried);
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!more_.wait(lock, stop, [this] { return waiting_; })) return;
      waiting_ = false;
    }
    while (remove_all(stop) && !stop.stop_requested()) {}
  }
}

bool Leftovers::remove_all(const std::stop_token& stop) {
  const int aside = ::open(aside_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (aside < 0) return false;
  const auto names = names_in(aside);
  std::size_t left = 0;
  for (const auto& name : names) {
    const auto removed = remove_tree(aside, name, stop);
    if (removed) continue;
    ++left;
    log::warn("labs", "files of an instance that is over stay", {{"name", name}, {"cause", removed.error().cause}});
  }
  ::close(aside);
  if (left > 0) {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, stop, kTriesAgainAfter, [this] { return waiting_; });
    waiting_ = true;
  }
  return left < names.size();
}

}  // namespace tiltyard::labs
