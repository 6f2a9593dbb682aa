#pragma once

#include "observe/metrics.h"
#include "store/postgres_link.h"
#include "store/queue.h"

namespace tiltyard::store {

/// Runs reads, each in a read-only transaction of its own with one snapshot (REPEATABLE READ). A read whose connection
/// was lost runs again. One per reading thread.
class PostgresReader {
 public:
  explicit PostgresReader(PostgresShared& shared);

  /// Runs and completes the task. Never throws.
  void run(Task task);

 private:
  Result<Store::AnyValue> settle(Task& task);
  Result<Store::AnyValue> run_in_snapshot(Task& task);

  PostgresShared& shared_;
  PostgresLink link_;
  metrics::Histogram read_seconds_;
};

}  // namespace tiltyard::store
