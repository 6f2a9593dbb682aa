#pragma once

#include <memory>
#include <string>

#include "observe/metrics.h"
#include "store/connection.h"
#include "store/queue.h"

namespace tiltyard::store {

/// Runs reads, each in a transaction of its own: all its statements see the same snapshot, while the writer goes on.
/// One per reading thread; its connection is opened at the first read.
class Reader {
 public:
  explicit Reader(std::string path);

  /// Runs and completes the task. Never throws.
  void run(Task task);

 private:
  Result<Store::AnyValue> run_in_snapshot(Task& task);

  std::string path_;
  std::unique_ptr<Connection> connection_;
  metrics::Histogram read_seconds_;
};

/// Copies the database at `path`, as it is now, to the new file `to`, while others read and write. The copy is on disk
/// and complete when it appears under its name. Errors: `backup-exists`, `backup-failed`, `store-full`.
Result<> copy_database(const std::string& path, const std::string& to);

}  // namespace tiltyard::store
