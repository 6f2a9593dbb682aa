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

  /// Runs and completes the job. Never throws.
  void run(Job job);

 private:
  Result<Store::AnyValue> settle(Job& job);
  Result<Store::AnyValue> run_in_snapshot(Job& job);

  PostgresShared& shared_;
  PostgresLink link_;
  metrics::Histogram read_seconds_;
};

}  // namespace tiltyard::store
