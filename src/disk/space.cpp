#include "disk/space.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

namespace tiltyard::disk {

std::optional<Space> space_at(const std::string& folder) {
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0) return std::nullopt;
  Space space;
  space.bytes = static_cast<std::int64_t>(info.f_bavail * info.f_frsize);
  space.inodes = static_cast<std::int64_t>(info.f_favail);
  space.counts_inodes = info.f_files > 0;
  return space;
}

std::string readable(std::int64_t bytes) {
  constexpr double kMiB = 1 << 20, kGiB = 1 << 30;
  const auto count = static_cast<double>(bytes);
  return count < kGiB ? fmt::format("{:.0f} MiB", count / kMiB) : fmt::format("{:.1f} GiB", count / kGiB);
}

std::string words_of(const Space& space, const Options& options) {
  const auto bytes = readable(space.bytes);
  if (space.counts_inodes && space.inodes < options.floor_inodes)
    return fmt::format("{} and {} inodes", bytes, space.inodes);
  return bytes;
}

}  // namespace tiltyard::disk
