#include "disk/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tiltyard::disk {

bool Reserve::hold() {
  if (bytes_ <= 0) return false;
  struct stat status{};
  const bool whole =
      ::stat(file_.c_str(), &status) == 0 && status.st_size == bytes_ && status.st_blocks * 512 >= bytes_;
  if (whole) return true;
  const int file = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool filled = ::posix_fallocate(file, 0, bytes_) == 0;
  ::close(file);
  if (!filled) ::unlink(file_.c_str());
  return filled;
}

bool Reserve::give() { return ::unlink(file_.c_str()) == 0; }

}  // namespace tiltyard::disk
