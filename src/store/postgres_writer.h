#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "observe/metrics.h"
#include "store/postgres_link.h"
#include "store/queue.h"

namespace tiltyard::store {

/// Group commit on PostgreSQL: writes that wait run in one transaction and are committed by one flush; only then do
/// they answer. What was surely not committed (the connection broke before the commit, a deadlock) is run again, what
/// was committed never is: when the connection breaks during the commit itself, the database is asked afterwards what
/// became of the transaction (see decision 0023). Lives on one thread.
class PostgresWriter {
 public:
  /// kStrict: at any moment only one strict writer of all servers is inside of a transaction (an advisory lock).
  PostgresWriter(PostgresShared& shared, Order order);

  /// Runs the tasks in their order and completes every one of them. Never throws.
  void run(std::vector<Task> tasks);

 private:
  using Outcomes = std::vector<Result<Store::AnyValue>>;
  using Group = std::vector<Task*>;
  /// How an attempt ended: `kSettled` has the outcomes; of the others nothing is in the database.
  enum class End { kSettled, kAgain, kCarefully, kSingly };
  struct Attempt {
    End end = End::kSettled;
    Outcomes outcomes;
  };

  Outcomes settle(const Group& group);
  Outcomes settle_singly(const Group& group);
  Attempt attempt(const Group& group, bool carefully);
  Result<> begin();
  std::optional<Attempt> run_works(const Group& group, bool carefully, Outcomes& outcomes);
  Result<Store::AnyValue> run_in_savepoint(Task& task);
  Attempt commit(const Group& group, Outcomes outcomes);
  Attempt find_out(const Group& group, Outcomes outcomes, const Error& error);
  void roll_back();
  Attempt again(const Group& group, const Error& error);
  static Outcomes all_fail(std::size_t count, const Error& error);

  PostgresShared& shared_;
  const Order order_;
  PostgresLink link_;
  const std::string writer_;  ///< our row in store_commits, which says what we committed last
  std::int64_t token_ = 0;    ///< of the open or last transaction
  int token_lock_ = 0;        ///< held by that transaction until it ends
  std::string closing_;       ///< what still has to be said about the last savepoint
  int careful_groups_ = 0;    ///< how many groups are still run with savepoints, because a work failed not long ago
  std::mt19937_64 random_;
  metrics::Histogram write_seconds_;
  metrics::Histogram group_size_;
  metrics::Counter commits_;
};

}  // namespace tiltyard::store
