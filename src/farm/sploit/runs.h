#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/process.h"
#include "base/result.h"

namespace tiltyard::farm::sploit {

using Steady = std::chrono::steady_clock;

/// How a program ended.
struct Ended {
  int id = 0;    ///< as `start` gave it
  int code = 0;  ///< the exit code, or minus the signal's number
  bool timed_out = false;
  std::chrono::milliseconds took{0};
};

/// Programs that run side by side, on the one thread that calls this. Nothing of a program is left when it has ended:
/// its whole process group is killed, also when this process is killed.
class Runs {
 public:
  /// Gets output as it comes: a line without its end, or a piece of one that is longer than 64 KiB. Any bytes.
  using Sink = std::function<void(int id, std::string_view line)>;

  explicit Runs(Sink sink);
  ~Runs();

  /// Starts a program (its `output` is ours to set); its id. Without a deadline it may run for ever. Errors:
  /// `program-unstartable`.
  Result<int> start(Program program, std::optional<Steady::time_point> deadline);
  /// Hands out output and ends programs whose time is up, until one has ended, `until`, or `wake` can be read.
  std::vector<Ended> wait(Steady::time_point until, int wake);
  /// Kills all of them and hands out what they had written.
  std::vector<Ended> kill_all();
  std::size_t size() const { return runs_.size(); }

 private:
  struct Run;
  void read(Run& run);
  void feed(Run& run, std::string_view bytes);
  Ended reap(Run& run);

  Sink sink_;
  std::vector<std::unique_ptr<Run>> runs_;
  int next_id_ = 1;
};

}  // namespace tiltyard::farm::sploit
