// What the configuration says of free space.
#include "config/keys.h"
#include "disk/disk.h"

namespace tiltyard::disk {

void declare_keys(config::Keys& keys, Options& options) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  keys.section("disk", "What must stay free of the disks that machines and the server write to.")
      .bytes("floor", options.floor, 0, kMost,
             "Free space below which nothing new starts, on each file system; what runs goes on.")
      .number("floor_inodes", options.floor_inodes, 0, std::int64_t{1} << 40,
              "Free inodes below which nothing new starts.")
      .bytes(
          "reserve", options.reserve, 0, std::uint64_t{1} << 40,
          "Space that a file beside the database keeps for it: on a full disk the file is removed, so that instances "
          "can still be stopped. 0: none.");
}

}  // namespace tiltyard::disk
