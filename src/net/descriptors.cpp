#include "net/descriptors.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace tiltyard::net {
namespace {

/// The limit is raised once, when the process starts.
int limit() {
  static const int value = [] {
    rlimit now{};
    if (::getrlimit(RLIMIT_NOFILE, &now) != 0) return 1024;
    return static_cast<int>(std::min<rlim_t>(now.rlim_cur, 1 << 30));
  }();
  return value;
}

}  // namespace

int reserve(Door door) {
  const int most = limit();
  const int inside = std::clamp(most / 16, 32, 1024);
  return door == Door::kPage ? inside : inside + most / 8;
}

bool short_of_descriptors(Door door) {
  const int next = ::eventfd(0, EFD_CLOEXEC);
  if (next < 0) return true;
  ::close(next);
  return kept_back(next, door);
}

bool kept_back(int descriptor, Door door) { return descriptor >= limit() - reserve(door); }

}  // namespace tiltyard::net
