#include "store/postgres_writer.h"

#include <fmt/core.h>

#include <chrono>

#include "base/id.h"
#include "observe/log.h"
#include "store/measures.h"
#include "store/postgres_locks.h"

namespace tiltyard::store {
namespace {

/// A conflict is tried again this often, a lost connection until the work's patience ends.
constexpr int kMostConflicts = 8;
/// Savepoints cost a round trip and a transaction number each; they are taken only after a work has failed.
constexpr int kCarefulGroups = 50;
constexpr std::chrono::milliseconds kAskPause{50};

using SteadyTime = std::chrono::steady_clock::time_point;

Error claimed_by_another() {
  return {Code::kUnavailable,
          "store-claimed",
          "Another server has taken over the database; this one may not write any more.",
          {},
          {}};
}

/// PostgreSQL answers the commit of a failed transaction without an error, but with another word.
Error rolled_back_instead(const std::string& word) {
  return {
      Code::kInternal, "store-failed", "The database could not do this.", "the commit was answered with " + word, {}};
}

SteadyTime patience_of(const std::vector<Task*>& group) { return group.front()->queued + kPostgresPatience; }

}  // namespace

PostgresWriter::PostgresWriter(PostgresShared& shared, Order order)
    : shared_(shared),
      order_(order),
      link_(shared, PostgresConnection::Use::kWrite),
      writer_(new_ulid()),
      random_(std::random_device{}()),
      write_seconds_(metrics::histogram(measures::kWriteSeconds,
                                        {0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10})),
      group_size_(metrics::histogram(measures::kGroupSize, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
      commits_(metrics::counter(measures::kCommits)) {}

void PostgresWriter::run(std::vector<Task> tasks) {
  Group group;
  for (Task& task : tasks) group.push_back(&task);
  Outcomes outcomes = settle(group);
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    write_seconds_.observe(std::chrono::duration<double>(now - tasks[i].queued).count());
    tasks[i].complete(std::move(outcomes[i]));
  }
}

PostgresWriter::Outcomes PostgresWriter::settle(const Group& group) {
  const SteadyTime deadline = patience_of(group);
  bool carefully = group.size() > 1 && careful_groups_ > 0;
  if (carefully) --careful_groups_;
  for (int conflicts = 0;;) {
    if (auto ready = link_.ensure(deadline); !ready) return all_fail(group.size(), ready.error());
    Attempt tried = attempt(group, carefully);
    switch (tried.end) {
      case End::kSettled:
        return std::move(tried.outcomes);
      case End::kSingly:
        return settle_singly(group);
      case End::kCarefully:
        careful_groups_ = kCarefulGroups;
        carefully = true;
        break;
      case End::kAgain:
        if (link_->lost() ? shared_.closed() || std::chrono::steady_clock::now() > deadline
                          : ++conflicts > kMostConflicts) {
          return std::move(tried.outcomes);
        }
    }
  }
}

PostgresWriter::Outcomes PostgresWriter::settle_singly(const Group& group) {
  Outcomes outcomes;
  for (Task* task : group) outcomes.push_back(std::move(settle({task}).front()));
  return outcomes;
}

PostgresWriter::Attempt PostgresWriter::attempt(const Group& group, bool carefully) {
  if (auto begun = begin(); !begun) {
    roll_back();
    return link_->lost() ? again(group, begun.error()) : Attempt{End::kSettled, all_fail(group.size(), begun.error())};
  }
  Outcomes outcomes;
  outcomes.reserve(group.size());
  if (auto ended = run_works(group, carefully, outcomes)) {
    roll_back();
    return std::move(*ended);
  }
  const bool only_failures = group.size() == 1 && !outcomes.front();
  if (only_failures) {
    roll_back();
    return {End::kSettled, std::move(outcomes)};
  }
  return commit(group, std::move(outcomes));
}

/// One round trip. Of several servers that have claimed the database, only the last may write.
Result<> PostgresWriter::begin() {
  closing_.clear();
  ++token_;
  token_lock_ = static_cast<int>(random_());
  std::string sql = fmt::format("BEGIN; SELECT pg_advisory_xact_lock({}, {}); ", kWriteLockClass, token_lock_);
  if (order_ == Order::kStrict) sql += fmt::format("SELECT pg_advisory_xact_lock({}, {}); ", kLockClass, kStrictLock);
  sql += "SELECT term FROM store_claim";
  auto begun = link_->execute(sql);
  if (!begun) return fail(std::move(begun.error()));
  const long long ours = shared_.term;
  if (ours != 0 && *begun != std::to_string(ours)) return fail(claimed_by_another());
  return {};
}

/// Nothing when all works have been run; otherwise how the attempt ends before its commit.
std::optional<PostgresWriter::Attempt> PostgresWriter::run_works(const Group& group, bool carefully,
                                                                 Outcomes& outcomes) {
  for (Task* task : group) {
    outcomes.push_back(carefully ? run_in_savepoint(*task) : link_->run(task->work));
    const auto& outcome = outcomes.back();
    if (outcome) continue;
    const Error error = outcome.error();
    if (link_->lost() || (link_->failed() && worth_a_retry(link_->last_state()))) return again(group, error);
    // What the others did is gone with the transaction: they run again, now each in a savepoint of its own.
    if (!carefully && group.size() > 1) return Attempt{End::kCarefully, {}};
  }
  return std::nullopt;
}

/// What ends a savepoint goes with what begins the next one, or with the commit: one round trip a work.
Result<Store::AnyValue> PostgresWriter::run_in_savepoint(Task& task) {
  auto begun = link_->execute(closing_ + "SAVEPOINT work");
  if (!begun) return fail(std::move(begun.error()));
  auto outcome = link_->run(task.work);
  closing_ = outcome ? "RELEASE work; " : "ROLLBACK TO work; RELEASE work; DEALLOCATE ALL; ";
  return outcome;
}

PostgresWriter::Attempt PostgresWriter::commit(const Group& group, Outcomes outcomes) {
  // Our row says which transaction was the last; one that wrote nothing needs no word and no flush.
  auto committed = link_->execute(fmt::format(
      "{}INSERT INTO store_commits (writer, token) SELECT '{}', {} WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
      " ON CONFLICT (writer) DO UPDATE SET token = excluded.token, at = excluded.at; COMMIT",
      closing_, writer_, token_));
  if (committed && *committed != "COMMIT") committed = fail(rolled_back_instead(*committed));
  if (committed) {
    commits_.add();
    group_size_.observe(static_cast<double>(group.size()));
    return {End::kSettled, std::move(outcomes)};
  }
  const Error error = committed.error();
  if (link_->lost()) return find_out(group, std::move(outcomes), error);
  roll_back();
  if (worth_a_retry(link_->last_state())) return again(group, error);
  // A deferred constraint speaks up only here. Its owner alone shall fail, so each has to commit by itself.
  if (link_->last_state().starts_with("23") && group.size() > 1) return {End::kSingly, {}};
  log::error("store", "A commit failed; its writes are undone.", {{"writes", group.size()}, {"cause", error.cause}});
  for (auto& outcome : outcomes) {
    if (outcome) outcome = fail(error);
  }
  return {End::kSettled, std::move(outcomes)};
}

/// The connection broke between "commit" and its answer. Once nobody holds the transaction's lock it has ended one way
/// or the other, and our row says which. (pg_xact_status would not do: a number that no flushed record holds is given
/// again after a crash.)
PostgresWriter::Attempt PostgresWriter::find_out(const Group& group, Outcomes outcomes, const Error& error) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + kPostgresPatience;
  const std::string lock = fmt::format("({}, {})", kWriteLockClass, token_lock_);
  do {
    if (!link_.ensure(deadline)) break;
    const auto ended = link_->execute("SELECT pg_try_advisory_lock" + lock);
    if (ended && *ended == "t") {
      const auto last = link_->execute(fmt::format("SELECT token FROM store_commits WHERE writer = '{}'", writer_));
      (void)link_->execute("SELECT pg_advisory_unlock" + lock);
      if (last && *last == std::to_string(token_)) return {End::kSettled, std::move(outcomes)};
      if (last) return again(group, error);
    }
    shared_.nap(kAskPause);  // its process has not noticed yet, and will commit or not
  } while (!shared_.closed() && std::chrono::steady_clock::now() < deadline);
  log::error("store", "It could not be found out whether a commit happened.",
             {{"writes", group.size()}, {"cause", error.cause}});
  const Error unsure{Code::kUnavailable,
                     "store-unsure",
                     "The database went away while this was being saved: look whether it was.",
                     error.cause,
                     {}};
  for (auto& outcome : outcomes) {
    if (outcome) outcome = fail(unsure);
  }
  return {End::kSettled, std::move(outcomes)};
}

/// Statements that a failed work had prepared could not be given back inside of the failed transaction.
void PostgresWriter::roll_back() {
  if (link_->lost() || PQtransactionStatus(link_->handle()) == PQTRANS_IDLE) return;
  auto undone = link_->execute("ROLLBACK");
  if (undone) undone = link_->execute("DEALLOCATE ALL");
  if (undone) return;
  log::error("store", "A roll-back failed; the connection is cut.", {{"cause", undone.error().cause}});
  link_->cut();
}

PostgresWriter::Attempt PostgresWriter::again(const Group& group, const Error& error) {
  return {End::kAgain, all_fail(group.size(), error)};
}

PostgresWriter::Outcomes PostgresWriter::all_fail(std::size_t count, const Error& error) {
  Outcomes outcomes;
  for (std::size_t i = 0; i < count; ++i) outcomes.emplace_back(std::unexpected(error));
  return outcomes;
}

}  // namespace tiltyard::store
