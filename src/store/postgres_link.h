#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "observe/metrics.h"
#include "store/measures.h"
#include "store/postgres_connection.h"

namespace tiltyard::store {

/// What the threads of one PostgreSQL store share. Thread-safe; outlives the threads.
struct PostgresShared {
  explicit PostgresShared(PostgresTarget where) : target(std::move(where)) {}

  /// Sleeps, and wakes early when the store is being closed.
  void nap(std::chrono::milliseconds time);
  void close();
  bool closed() const;
  /// Whether somebody tried in vain to connect within the last second.
  bool just_failed() const;
  void note_failure();

  const PostgresTarget target;
  Watch watch;
  /// The term of this server's claim (store.h), 0 while it has none. Writes of an older term than the database's are
  /// refused.
  std::atomic<long long> term{0};
  metrics::Counter lost = metrics::counter(measures::kReconnects);

 private:
  mutable std::mutex mutex_;
  std::condition_variable closing_;
  bool closed_ = false;
  std::chrono::steady_clock::time_point failed_at_{};
};

/// How long work waits for a database that is away, counted from when the work was asked for: a restart fits in, a
/// person does not wait for ever.
constexpr std::chrono::seconds kPostgresPatience{5};

/// A connection that is opened when it is first needed and opened again when it was lost: SOCI does not do it. Belongs
/// to one thread.
class PostgresLink {
 public:
  PostgresLink(PostgresShared& shared, PostgresConnection::Use use) : shared_(shared), use_(use) {}

  /// Makes sure that there is a connection; tries until `deadline`. What is late already, or must end because the store
  /// is closed, is not held up by a database that has just been found away. `store-failed` (kUnavailable).
  Result<> ensure(std::chrono::steady_clock::time_point deadline);
  /// Only after `ensure`.
  PostgresConnection& operator*() { return *connection_; }
  PostgresConnection* operator->() { return connection_.get(); }
  void drop() { connection_.reset(); }

 private:
  Result<> connect();

  PostgresShared& shared_;
  const PostgresConnection::Use use_;
  std::unique_ptr<PostgresConnection> connection_;
  bool had_one_ = false;
};

}  // namespace tiltyard::store
