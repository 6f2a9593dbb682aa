#include "engine/docker/same_files.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace tiltyard::engine::docker {
namespace {

/// The process that listens, as seen from our namespace of processes: 0 when it is in none that we see. nullopt: nobody
/// listens.
std::optional<pid_t> listener_of(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int link = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (link < 0) return std::nullopt;
  std::optional<pid_t> found;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::connect(link, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
    found = peer.pid;
  }
  ::close(link);
  return found;
}

}  // namespace

bool sees_our_files(const std::string& socket_path, const std::string& folder) {
  const auto listener = listener_of(socket_path);
  if (!listener) return true;
  if (*listener == 0) return false;
  struct stat ours{}, theirs{};
  if (::stat(folder.c_str(), &ours) != 0) return true;
  if (::stat(fmt::format("/proc/{}/root{}", *listener, folder).c_str(), &theirs) != 0)
    return errno == EACCES || errno == EPERM;
  return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

}  // namespace tiltyard::engine::docker
