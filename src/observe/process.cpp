#include "observe/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tiltyard::metrics::detail {
namespace {

/// Field 22 of /proc/self/stat is the start in clock ticks after boot, field 20 the threads (proc(5)). The fields are
/// counted from behind the command, which may itself hold blanks and parentheses.
void read_stat(ProcessUse& use) {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t behind = text.rfind(')');
  if (behind == std::string::npos) return;
  std::istringstream fields(text.substr(behind + 1));
  std::string field;
  double start_ticks = 0;
  for (int number = 3; fields >> field; ++number) {
    if (number == 20) use.threads = std::stoull(field);
    if (number == 22) start_ticks = std::stod(field);
    if (number == 24) use.resident_bytes = std::stoull(field) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  std::ifstream system("/proc/stat");
  for (std::string line; std::getline(system, line);) {
    if (!line.starts_with("btime ")) continue;
    use.start_time = std::stod(line.substr(6)) + start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
}

std::uint64_t count_files() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::uint64_t count = 0;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(folder);
  return count == 0 ? 0 : count - 1;  // the folder itself was open while we counted
}

}  // namespace

ProcessUse process_use() {
  ProcessUse use;
  read_stat(use);
  use.open_files = count_files();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) use.most_files = limit.rlim_cur;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    use.cpu_seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  }
  return use;
}

}  // namespace tiltyard::metrics::detail
