#include "templates/watch.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <map>

#include "observe/log.h"

namespace tiltyard::templates {
namespace {

constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                                IN_DELETE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;
constexpr std::size_t kMostFolders = 8000;
constexpr int kDeepest = 24;

}  // namespace

struct Watcher::State {
  explicit State(asio::any_io_executor executor) : descriptor(executor), timer(executor) {}

  struct Watched {
    std::string path;
    std::string top;  ///< the template folder's name; empty: the root
    int depth = 0;
  };

  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timer;
  std::string root;
  std::map<int, Watched> watched;
  bool full = false;

  /// Adds a folder and all below it. What cannot be watched is logged once; the folder can still be reloaded by hand.
  void add(const std::string& path, const std::string& top, int depth) {
    if (depth > kDeepest || watched.size() >= kMostFolders) {
      if (!full) log::warn("templates", "too many folders to watch all of them", {{"path", path}});
      full = true;
      return;
    }
    // A template folder itself may be a link; below it links are not followed.
    const std::uint32_t mask = depth <= 1 ? kMask & ~static_cast<std::uint32_t>(IN_DONT_FOLLOW) : kMask;
    const int id = ::inotify_add_watch(descriptor.native_handle(), path.c_str(), mask);
    if (id < 0) {
      if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        log::warn("templates", "a folder cannot be watched", {{"path", path}, {"error", std::strerror(errno)}});
      return;
    }
    watched[id] = Watched{path, top, depth};
    DIR* folder = ::opendir(path.c_str());
    if (!folder) return;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name == "." || name == ".." || name == ".git") continue;
      struct stat info{};
      const std::string below = path + "/" + name;
      const int looked = depth == 0 ? ::stat(below.c_str(), &info) : ::lstat(below.c_str(), &info);
      if (looked == 0 && S_ISDIR(info.st_mode)) add(below, depth == 0 ? name : top, depth + 1);
    }
    ::closedir(folder);
  }

  void take(const inotify_event& event, Changes& changes) {
    if (event.mask & IN_Q_OVERFLOW) {
      changes.all = true;
      add(root, {}, 0);
      return;
    }
    const auto found = watched.find(event.wd);
    if (found == watched.end()) return;
    const Watched from = found->second;
    if (event.mask & IN_IGNORED) {
      watched.erase(found);
      return;
    }
    const std::string name = event.len > 0 ? std::string(event.name) : std::string{};
    const std::string top = from.top.empty() ? name : from.top;
    if (!top.empty()) changes.folders.insert(top);
    // A new link below the root is no folder to inotify, but may lead to one.
    const bool may_be_folder = (event.mask & IN_ISDIR) || from.depth == 0;
    const bool new_folder = may_be_folder && (event.mask & (IN_CREATE | IN_MOVED_TO));
    if (new_folder && !name.empty() && name != ".git") add(from.path + "/" + name, top, from.depth + 1);
  }

  void drain(Changes& changes) {
    alignas(inotify_event) char buffer[16384];
    while (true) {
      const auto got = ::read(descriptor.native_handle(), buffer, sizeof buffer);
      if (got <= 0) return;
      for (ssize_t at = 0; at < got;) {
        inotify_event event{};
        std::memcpy(&event, buffer + at, sizeof event);
        // The name follows the fixed part; it is read where it lies.
        const auto* whole = reinterpret_cast<const inotify_event*>(buffer + at);
        take(*whole, changes);
        at += static_cast<ssize_t>(sizeof event + event.len);
      }
    }
  }
};

Watcher::Watcher(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
Watcher::~Watcher() = default;

Result<> Watcher::start(const std::string& root) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0)
    return fail(Code::kUnavailable, "watch-failed", "Changes of templates cannot be watched.", std::strerror(errno));
  state_->descriptor.assign(fd);
  state_->root = root;
  state_->add(root, {}, 0);
  if (state_->watched.empty()) {
    close();
    return fail(Code::kUnavailable, "watch-failed", "The folder of templates cannot be watched.", root);
  }
  return {};
}

asio::awaitable<Changes> Watcher::next(std::chrono::milliseconds quiet) {
  using namespace asio::experimental::awaitable_operators;
  const auto state = state_;
  Changes changes;
  while (changes.folders.empty() && !changes.all) {
    co_await state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    state->drain(changes);
  }
  const auto latest = std::chrono::steady_clock::now() + 10 * quiet;
  while (std::chrono::steady_clock::now() < latest) {
    state->timer.expires_after(quiet);
    auto more = state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    auto pause = state->timer.async_wait(asio::use_awaitable);
    const auto first = co_await (std::move(more) || std::move(pause));
    if (first.index() == 1) break;
    state->drain(changes);
  }
  co_return changes;
}

void Watcher::close() {
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
  state_->timer.cancel();
}

}  // namespace tiltyard::templates
