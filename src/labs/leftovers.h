#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace tiltyard::labs {

/// The files of instances that are over. A player may have made millions of them, nested as deep as inodes last: they
/// are moved aside, which is one rename whatever they are, and a thread of its own removes them, which nobody waits
/// for. What is left when the process ends is removed by the next one.
class Leftovers {
 public:
  /// `folder` holds the instances' own files, a folder for each.
  explicit Leftovers(std::string folder);
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

  /// Takes `folder`/`name` away; nothing there: success. Blocking, for a moment. `files-stay`.
  Result<> take(const std::string& name);

 private:
  void work(const std::stop_token& stop);
  /// All that is there now. Whether it is worth to look again at once.
  bool remove_all(const std::stop_token& stop);

  std::string folder_, aside_;
  std::mutex mutex_;
  std::condition_variable_any more_;
  bool waiting_ = true;  ///< something may be there; at the beginning, from an earlier process
  std::jthread worker_;  ///< the last member: it ends first
};

}  // namespace tiltyard::labs
