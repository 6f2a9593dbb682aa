#include "store/writer.h"

#include <chrono>

#include "observe/log.h"
#include "store/measures.h"

namespace tiltyard::store {

Writer::Writer(std::string path, Hub& hub)
    : path_(std::move(path)),
      hub_(hub),
      connection_(std::make_unique<Connection>(path_, Connection::Use::kWrite)),
      checkpointer_(path_),
      write_seconds_(metrics::histogram(measures::kWriteSeconds,
                                        {0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10})),
      group_size_(metrics::histogram(measures::kGroupSize, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
      commits_(metrics::counter(measures::kCommits)) {
  // Under the lock of a write: another server on the same file may be appending to the WAL at this moment.
  if (!connection_->execute("BEGIN IMMEDIATE")) return;
  fill_wal(path_);
  roll_back();
}

void Writer::run(std::vector<Task> tasks) {
  Group group;
  for (Task& task : tasks) group.push_back(&task);
  Outcomes outcomes = attempt(group);
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    write_seconds_.observe(std::chrono::duration<double>(now - tasks[i].queued).count());
    tasks[i].complete(std::move(outcomes[i]));
  }
  if (connection_ != nullptr) checkpointer_.look(*connection_);
}

Writer::Outcomes Writer::attempt(const Group& group) {
  if (auto ready = reconnect_if_lost(); !ready) return all_fail(group.size(), ready.error());
  if (auto begun = connection_->execute_often("BEGIN IMMEDIATE"); !begun) return all_fail(group.size(), begun.error());
  connection_->said().clear();
  Outcomes outcomes;
  outcomes.reserve(group.size());
  const bool alone = group.size() == 1;
  for (Task* task : group) {
    outcomes.push_back(alone ? run_guarded(*connection_, task->work) : run_in_savepoint(*task));
    if (connection_ != nullptr && connection_->in_transaction()) continue;
    // SQLite has rolled everything back by itself (no space, no memory, I/O error): what the others did is undone too.
    if (!alone) return attempt_singly(group);
    if (outcomes.back()) return all_fail(1, connection_->last_error("the transaction was rolled back under the work"));
    return outcomes;
  }
  if (alone && !outcomes.front()) {
    roll_back();
    return outcomes;
  }
  auto committed = connection_->execute_often("COMMIT");
  if (committed) {
    commits_.add();
    group_size_.observe(static_cast<double>(group.size()));
    tell_news();
    return outcomes;
  }
  const bool constraint = connection_->last_code() == SQLITE_CONSTRAINT;
  roll_back();
  // A deferred constraint speaks up only here. Its owner alone shall fail, so each has to commit by itself.
  if (constraint && !alone) return attempt_singly(group);
  if (!constraint) {
    log::error("store", "A commit failed; its writes are undone.",
               {{"writes", group.size()}, {"cause", committed.error().cause}});
  }
  for (auto& outcome : outcomes) {
    if (outcome) outcome = fail(committed.error());
  }
  return outcomes;
}

Writer::Outcomes Writer::attempt_singly(const Group& group) {
  Outcomes outcomes;
  outcomes.reserve(group.size());
  for (Task* task : group) outcomes.push_back(std::move(attempt({task}).front()));
  return outcomes;
}

Result<Store::AnyValue> Writer::run_in_savepoint(Task& task) {
  if (auto begun = connection_->execute_often("SAVEPOINT work"); !begun) return fail(begun.error());
  const std::size_t said_before = connection_->said().size();
  Result<Store::AnyValue> outcome = run_guarded(*connection_, task.work);
  if (!connection_->in_transaction()) return outcome;
  if (!outcome) {
    connection_->said().resize(said_before);
    // A failed undo would let half a write into the commit: the whole transaction goes instead, and the others rerun.
    if (!connection_->execute("ROLLBACK TO work")) roll_back();
  }
  if (!connection_->in_transaction()) return outcome;
  auto released = connection_->execute_often("RELEASE work");
  if (!released) {
    roll_back();
    return fail(released.error());
  }
  return outcome;
}

void Writer::tell_news() {
  for (auto& [channel, payload] : connection_->said()) hub_.tell(channel, {std::move(payload), false});
  connection_->said().clear();
}

Result<> Writer::reconnect_if_lost() {
  if (connection_ != nullptr) return {};
  try {
    connection_ = std::make_unique<Connection>(path_, Connection::Use::kWrite);
    return {};
  } catch (const std::exception& failure) {
    return fail(Code::kUnavailable, "store-failed", "The database cannot be opened.", failure.what());
  }
}

void Writer::roll_back() {
  if (!connection_->in_transaction()) return;
  auto undone = connection_->execute("ROLLBACK");
  if (undone) return;
  // A connection that can neither commit nor roll back is of no use; the next group opens another.
  log::error("store", "A roll-back failed; the connection is opened anew.", {{"cause", undone.error().cause}});
  connection_.reset();
}

Writer::Outcomes Writer::all_fail(std::size_t count, const Error& error) {
  Outcomes outcomes;
  for (std::size_t i = 0; i < count; ++i) outcomes.emplace_back(std::unexpected(error));
  return outcomes;
}

}  // namespace tiltyard::store
