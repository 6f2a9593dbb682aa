#include "store/postgres_migrate.h"

#include <fmt/core.h>

#include "observe/log.h"
#include "store/postgres_locks.h"
#include "store/schema.h"

namespace tiltyard::store {
namespace {

const std::string kBeginAlone = fmt::format("BEGIN; SELECT pg_advisory_xact_lock({}, {})", kLockClass, kMigrationLock);

/// Applies one, and makes PostgreSQL say at once what it would say at the commit.
Result<> apply_one(PostgresConnection& connection, const Step& next) {
  if (auto done = connection.execute(next.migration.sql); !done) return fail(done.error());
  Store::AnyWork note = [&](soci::session& sql) -> Result<Store::AnyValue> {
    note_applied(sql, next);
    return Store::AnyValue{};
  };
  if (auto noted = connection.run(note); !noted) return fail(noted.error());
  auto sound = connection.execute("SET CONSTRAINTS ALL IMMEDIATE");
  return sound ? Result<>{} : fail(sound.error());
}

/// Applies the first that is missing and returns it; nullptr when none is. What is missing is looked up under the lock.
Result<const Step*> apply_next(PostgresConnection& connection, const std::vector<Step>& steps) {
  const Step* next = nullptr;
  Store::AnyWork look = [&](soci::session& sql) -> Result<Store::AnyValue> {
    auto missing = next_missing(sql, steps);
    if (!missing) return fail(missing.error());
    next = *missing;
    return Store::AnyValue{};
  };
  if (auto looked = connection.run(look); !looked) return fail(looked.error());
  if (next == nullptr) return next;
  auto done = apply_one(connection, *next);
  if (!done) return fail(failed_migration(*next, done.error()));
  return next;
}

/// One transaction; false when there was nothing left to do.
Result<bool> step(PostgresConnection& connection, const std::vector<Step>& steps) {
  auto begun = connection.execute(kBeginAlone);
  auto applied = begun ? apply_next(connection, steps) : fail(begun.error());
  auto ended = connection.execute(applied ? "COMMIT" : "ROLLBACK");
  if (!applied) return fail(applied.error());
  if (!ended) return fail(ended.error());
  if (*applied == nullptr) return false;
  log::info("store", "Migration applied.",
            {{"of", (*applied)->slice}, {"number", (*applied)->number}, {"migration", (*applied)->migration.name}});
  return true;
}

}  // namespace

Result<> make_postgres_tables(PostgresShared& shared) {
  PostgresLink link(shared, PostgresConnection::Use::kMigrate);
  // A server that is just starting is waited for; one that answers and does not let us in is not.
  const bool answers = PQping(shared.target.url.c_str()) == PQPING_OK;
  const auto patience = answers ? std::chrono::seconds{0} : kPostgresPatience;
  if (auto ready = link.ensure(std::chrono::steady_clock::now() + patience); !ready) return ready;
  auto made = link->execute(
      kBeginAlone + "; " + kMigrationsTables +
      "; CREATE TABLE IF NOT EXISTS store_heartbeat (id INTEGER PRIMARY KEY CHECK (id = 1), beat_at BIGINT NOT NULL)"
      "; CREATE TABLE IF NOT EXISTS store_identity (id INTEGER PRIMARY KEY CHECK (id = 1), server TEXT NOT NULL)"
      "; CREATE TABLE IF NOT EXISTS store_claim (id INTEGER PRIMARY KEY CHECK (id = 1), term BIGINT NOT NULL)"
      "; CREATE TABLE IF NOT EXISTS store_commits (writer TEXT PRIMARY KEY, token BIGINT NOT NULL,"
      " at TIMESTAMPTZ NOT NULL DEFAULT now()) WITH (fillfactor = 50)"
      "; DELETE FROM store_commits WHERE at < now() - INTERVAL '1 day'"
      "; INSERT INTO store_claim (id, term) VALUES (1, 0) ON CONFLICT (id) DO NOTHING; COMMIT");
  return made ? Result<>{} : fail(made.error());
}

Result<> migrate_postgres(PostgresShared& shared, const std::vector<Slice>& slices) {
  auto ordered = in_order(slices);
  if (!ordered) return fail(ordered.error());
  PostgresLink link(shared, PostgresConnection::Use::kMigrate);
  if (auto ready = link.ensure(std::chrono::steady_clock::now() + kPostgresPatience); !ready) return ready;
  while (true) {
    Result<bool> more = step(*link, *ordered);
    if (!more) return fail(more.error());
    if (!*more) return {};
  }
}

}  // namespace tiltyard::store
