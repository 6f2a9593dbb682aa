#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "store/connection.h"

namespace tiltyard::store {

/// Copies what the WAL holds into the database's file while the writer goes on, so that no commit waits for megabytes:
/// a commit that SQLite itself lets do it takes 30 to 60 ms. The writer then copies the little that has come meanwhile,
/// and begins the WAL anew. Has a thread of its own, and a connection while it works.
class Checkpointer {
 public:
  explicit Checkpointer(std::string path);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// On the writer's thread, after a commit.
  void look(Connection& writer);

 private:
  enum class State { kIdle, kRunning, kDone, kClosing };

  void loop();

  const std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kIdle;
  std::thread thread_;
};

/// Makes the WAL as large as it becomes between two checkpoints, with zeros, which end a log as the end of the file
/// does. A commit then overwrites blocks that are there: its sync need not wait for the file system's own journal (80
/// instead of 130 to 500 µs on ext4). Only under the lock of a write.
void fill_wal(const std::string& path);

}  // namespace tiltyard::store
