// What Tiltyard puts into a machine to reach its files: `sftp` serves the protocol of that name on standard input and
// output, `tar PATH` writes an archive, `remove PATH` takes a tree away, `hello` says that the program runs here.
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "inside/program/wire.h"

namespace tiltyard::inside {

bool write_all(int file, const void* bytes, std::size_t size) {
  const auto* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const auto count = ::write(file, at, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

bool read_all(int file, void* bytes, std::size_t size) {
  auto* at = static_cast<char*>(bytes);
  while (size > 0) {
    const auto count = ::read(file, at, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace tiltyard::inside

int main(int count, char** words) {
  using namespace tiltyard::inside;
  const std::string_view wanted = count > 1 ? words[1] : "";
  ::signal(SIGPIPE, SIG_IGN);
  if (wanted == "sftp" && count == 2) return serve_sftp();
  if (wanted == "tar" && count == 3) return write_tar(words[2]);
  if (wanted == "remove" && count == 3) return remove_tree(words[2]);
  if (wanted == "hello" && count == 2) return write_all(1, "tiltyard-inside\n", 16) ? 0 : 1;
  constexpr std::string_view kUsage = "usage: sftp | tar PATH | remove PATH | hello\n";
  write_all(2, kUsage.data(), kUsage.size());
  return 64;
}
