// The admin token's file: made at the first start, readable by the server's user alone.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "identity/secrets.h"
#include "identity/state.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> broken(const std::string& path, const std::string& what) {
  return fail(Code::kInternal, "admin-token-file", fmt::format("The admin token's file {} {}.", path, what),
              std::strerror(errno));
}

/// Writes beside the target, then links it into place: a crash leaves the whole file or none, and of two servers that
/// start at the same time one makes the token and both read it.
Result<> make_file(const std::string& path, const Secret& token) {
  const auto temporary = fmt::format("{}.{}", path, ::getpid());
  ::unlink(temporary.c_str());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return broken(path, "cannot be made");
  const auto line = token.reveal() + "\n";
  const bool written =
      ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(file) == 0;
  ::close(file);
  const bool placed = written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int error = errno;
  ::unlink(temporary.c_str());
  errno = error;
  if (!placed) return broken(path, "cannot be written");
  const int folder = ::open(fs::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

/// Takes away what others may do with it.
Result<> close_to_others(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return broken(path, "cannot be looked at");
  if ((info.st_mode & 077) == 0) return {};
  log::warn("identity", "the admin token's file was open to others; it is closed now, consider a new token",
            {{"path", path}});
  if (::chmod(path.c_str(), 0600) != 0) return broken(path, "is open to others and cannot be closed");
  return {};
}

}  // namespace

Result<Secret> read_or_make_admin_token(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  const auto path = (fs::path(folder) / "admin.token").string();
  if (!fs::exists(path, error)) {
    const auto made = make_file(path, new_token());
    if (!made) return fail(made.error());
    log::info("identity", "made the admin token", {{"path", path}});
  }
  if (auto closed = close_to_others(path); !closed) return fail(std::move(closed.error()));
  std::string line;
  std::ifstream file(path);
  if (!std::getline(file, line)) return broken(path, "is empty or cannot be read; remove it to get a new one");
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  if (line.size() < 16) return broken(path, "has fewer than 16 characters; remove it to get a new one");
  return Secret(std::move(line));
}

}  // namespace tiltyard::identity
