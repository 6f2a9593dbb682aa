#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"

namespace tiltyard::farm::sploit {

/// A flag on its way to the farm.
struct FoundFlag {
  std::string flag, sploit, team;
};

/// Flags that were found and are not yet at the farm, in a file: one JSON object a line, the oldest first. They survive
/// the end of this program in any way, and in memory is only what is being sent. Thread-safe.
class Backlog {
 public:
  /// Opens `path`, or path.1, path.2 … when other attacks of the same kind use it; what an earlier attack left there is
  /// taken over. Errors: `backlog-unwritable`.
  static Result<std::unique_ptr<Backlog>> open(const std::string& path);
  ~Backlog();
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  /// In the file when it returns, so that a kill of this program does not lose them. `backlog-unwritable`.
  Result<> add(const std::vector<FoundFlag>& flags);

  struct Batch {
    std::vector<FoundFlag> flags;
    std::uint64_t bytes = 0;  ///< of the file
    std::size_t lines = 0;    ///< torn ones, of a kill in mid-write, among them
  };
  /// The oldest, at most `most`. They stay until `sent`.
  Batch oldest(std::size_t most) const;
  void sent(const Batch& batch);
  /// How many wait.
  std::size_t size() const;
  const std::string& path() const { return path_; }

 private:
  Backlog(int file, std::string path);

  const int file_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::uint64_t begin_ = 0, end_ = 0;
  std::size_t lines_ = 0;
};

}  // namespace tiltyard::farm::sploit
