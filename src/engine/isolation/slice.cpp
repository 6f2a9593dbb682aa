#include "engine/isolation/slice.h"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace tiltyard::engine::isolation {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMiB = 1024 * 1024;

struct Line {
  fs::path file;
  std::string text;
  bool optional = false;  ///< not every kernel has it
};

/// Empty when it was written; an optional file that is not there is as good.
std::string write_line(const Line& line) {
  const int fd = ::open(line.file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return line.optional ? std::string() : line.file.string() + ": " + std::strerror(errno);
  const auto written = ::write(fd, line.text.data(), line.text.size());
  const int failure = errno;
  ::close(fd);
  if (written == static_cast<ssize_t>(line.text.size()) || line.optional) return {};
  return line.file.string() + ": " + std::strerror(failure);
}

/// Half of what any other group or process has beside it. Less would be felt at each start: a machine's first moments
/// are in the group, and others wait for them.
std::vector<Line> lines_of(const fs::path& root, const GroupDriver& driver, std::int64_t memory) {
  const fs::path group = driver.systemd ? "tiltyard_machines.slice" : "tiltyard_machines";
  const std::string bytes = std::to_string(memory);
  if (driver.unified) {
    const fs::path at = root / group;
    return {{at / "cpu.weight", "50"}, {at / "io.weight", "default 50", true}, {at / "memory.max", bytes}};
  }
  return {{root / "cpu" / group / "cpu.shares", "512"},
          {root / "blkio" / group / "blkio.bfq.weight", "50", true},
          {root / "memory" / group / "memory.limit_in_bytes", bytes}};
}

}  // namespace

/// No dash in the name: to systemd that would be a slice within a slice, whose weight counts against nobody.
std::string slice_parent(const GroupDriver& driver) {
  return driver.systemd ? "tiltyard_machines.slice" : "/tiltyard_machines";
}

std::int64_t memory_for_machines(std::int64_t of_host) {
  return std::max(of_host - std::clamp(of_host / 8, 512 * kMiB, 4096 * kMiB), 256 * kMiB);
}

Result<> weigh_slice(const fs::path& root, const GroupDriver& driver, std::int64_t memory) {
  std::string missed;
  // A group of systemd's is its own to make; deploy/tiltyard_machines.slice says the same.
  if (driver.unified && !driver.systemd) {
    const auto denied = write_line({root / "cgroup.subtree_control", "+cpu +io +memory +pids", true});
    if (!denied.empty()) missed = denied;
  }
  for (const auto& line : lines_of(root, driver, memory)) {
    std::error_code ignored;
    if (!driver.systemd) fs::create_directories(line.file.parent_path(), ignored);
    const auto failed = write_line(line);
    if (!failed.empty()) missed += (missed.empty() ? "" : "; ") + failed;
  }
  if (missed.empty()) return {};
  return fail(Code::kUnavailable, "slice-unweighed",
              "All machines together are not bounded, and count as much as the server and the engine.", missed);
}

}  // namespace tiltyard::engine::isolation
