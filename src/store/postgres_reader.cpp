#include "store/postgres_reader.h"
#include "store/measures.h"

#include <chrono>

namespace tiltyard::store {

PostgresReader::PostgresReader(PostgresShared& shared)
    : shared_(shared),
      link_(shared, PostgresConnection::Use::kRead),
      read_seconds_(metrics::histogram(measures::kReadSeconds,
                                       {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5})) {}

void PostgresReader::run(Task task) {
  Result<Store::AnyValue> outcome = settle(task);
  read_seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - task.queued).count());
  task.complete(std::move(outcome));
}

Result<Store::AnyValue> PostgresReader::settle(Task& task) {
  const auto deadline = task.queued + kPostgresPatience;
  while (true) {
    if (auto ready = link_.ensure(deadline); !ready) return fail(ready.error());
    auto outcome = run_in_snapshot(task);
    if (!link_->lost() || outcome) return outcome;
    if (shared_.closed() || std::chrono::steady_clock::now() > deadline) return outcome;
  }
}

Result<Store::AnyValue> PostgresReader::run_in_snapshot(Task& task) {
  if (auto begun = link_->execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); !begun)
    return fail(begun.error());
  auto outcome = link_->run(task.work);
  const bool failed = link_->failed();
  // Statements that a failed work had prepared could not be given back inside of the failed transaction.
  auto ended = link_->execute("ROLLBACK");
  if (ended && failed) ended = link_->execute("DEALLOCATE ALL");
  if (!ended && !link_->lost()) link_->cut();
  return outcome;
}

}  // namespace tiltyard::store
