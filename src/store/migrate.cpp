#include "store/migrate.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/clock.h"
#include "observe/log.h"
#include "store/connection.h"

namespace tiltyard::store {
namespace {

/// Slices own blocks of this many numbers; the first block begins at 1, because there is no migration 0.
constexpr int kBlock = 50;

struct Applied {
  int number = 0;
  std::string name;
};

/// Sorted by number; every block is used from its first number on, without gaps.
Result<std::vector<Migration>> in_order(std::vector<Migration> migrations) {
  std::ranges::sort(migrations, {}, &Migration::number);
  int previous = 0;
  for (const Migration& migration : migrations) {
    const bool follows = migration.number == previous + 1;
    const bool opens_block = migration.number % kBlock == 0 && migration.number > previous;
    if (!migration.name.empty() && (follows || opens_block)) {
      previous = migration.number;
      continue;
    }
    return fail(Code::kInternal, "migration-invalid",
                fmt::format("Migration {} (\"{}\") does not follow number {}.", migration.number, migration.name,
                            previous));
  }
  return migrations;
}

std::vector<Applied> read_applied(soci::session& sql) {
  std::vector<Applied> applied;
  Applied row;
  soci::statement statement = (sql.prepare << "SELECT number, name FROM schema_migrations ORDER BY number",
                               soci::into(row.number), soci::into(row.name));
  statement.execute();
  while (statement.fetch()) applied.push_back(row);
  return applied;
}

/// Whether we know everything that the file has, under the same names.
Result<> compare(const std::vector<Applied>& applied, const std::vector<Migration>& known) {
  for (const Applied& row : applied) {
    const auto ours = std::ranges::find(known, row.number, &Migration::number);
    if (ours == known.end()) {
      return fail(Code::kConflict, "schema-newer",
                  fmt::format("The database has migration {} (\"{}\"), which this server does not know. Start the newer "
                              "server, or restore a back-up from before its upgrade.",
                              row.number, row.name));
    }
    if (ours->name != row.name) {
      return fail(Code::kConflict, "schema-mismatch",
                  fmt::format("The database's migration {} is \"{}\"; this server's is \"{}\".", row.number, row.name,
                              ours->name));
    }
  }
  return {};
}

/// The first that is missing; nullptr when none is. `schema-mismatch` when a later one of its block is there already.
Result<const Migration*> next_missing(const std::vector<Applied>& applied, const std::vector<Migration>& known) {
  for (const Migration& migration : known) {
    if (std::ranges::find(applied, migration.number, &Applied::number) != applied.end()) continue;
    for (const Applied& row : applied) {
      if (row.number / kBlock != migration.number / kBlock || row.number < migration.number) continue;
      return fail(Code::kConflict, "schema-mismatch",
                  fmt::format("The database has migration {} but lacks {}, which comes before it.", row.number,
                              migration.number));
    }
    return &migration;
  }
  return nullptr;
}

Result<> check_foreign_keys(soci::session& sql) {
  std::string table;
  soci::indicator found = soci::i_null;
  sql << "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", soci::into(table, found);
  if (!sql.got_data()) return {};
  return fail(Code::kInternal, "migration-failed", "A migration left rows that point at nothing.", "table " + table);
}

Result<> apply_one(Connection& connection, const Migration& migration) {
  if (auto done = connection.execute(migration.sql.c_str()); !done) return done;
  soci::session& sql = connection.session();
  if (auto sound = check_foreign_keys(sql); !sound) return sound;
  const long long now = to_micros(SystemClock().now());
  sql << "INSERT INTO schema_migrations (number, name, applied_at) VALUES (:number, :name, :now)",
      soci::use(migration.number, "number"), soci::use(migration.name, "name"), soci::use(now, "now");
  return {};
}

/// Applies the first that is missing and returns it; nullptr when none is. What is missing is looked up inside the
/// transaction: of two servers that start together, one waits and finds it done.
Result<const Migration*> apply_next(Connection& connection, const std::vector<Migration>& migrations) {
  soci::session& sql = connection.session();
  const std::vector<Applied> applied = read_applied(sql);
  if (auto same = compare(applied, migrations); !same) return fail(same.error());
  auto missing = next_missing(applied, migrations);
  if (!missing || *missing == nullptr) return missing;
  const Migration& next = **missing;
  auto done = apply_one(connection, next);
  if (!done) {
    Error error = done.error();
    if (error.reason != "store-full") error.reason = "migration-failed";
    error.message = fmt::format("Migration {} (\"{}\") failed; the database is as before it. {}", next.number, next.name,
                                error.message);
    return fail(std::move(error));
  }
  return &next;
}

/// One transaction; false when there was nothing left to do.
Result<bool> step(Connection& connection, const std::vector<Migration>& migrations) {
  if (auto begun = connection.execute("BEGIN IMMEDIATE"); !begun) return fail(begun.error());
  Result<const Migration*> applied = nullptr;
  try {
    applied = apply_next(connection, migrations);
  } catch (const std::exception& failure) {
    applied = fail(Code::kInternal, "migration-failed", "The schema could not be brought up to date.", failure.what());
  }
  auto ended = connection.execute(applied ? "COMMIT" : "ROLLBACK");
  if (!ended && connection.in_transaction()) (void)connection.execute("ROLLBACK");
  if (!applied) return fail(applied.error());
  if (!ended) return fail(ended.error());
  if (*applied == nullptr) return false;
  log::info("store", "Migration applied.", {{"number", (*applied)->number}, {"migration", (*applied)->name}});
  return true;
}

}  // namespace

Result<> migrate_sqlite(const std::string& path, const std::vector<Migration>& migrations) {
  auto ordered = in_order(migrations);
  if (!ordered) return fail(ordered.error());
  try {
    Connection connection(path, Connection::Use::kMigrate);
    auto created = connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)");
    if (!created) return created;
    while (true) {
      Result<bool> more = step(connection, *ordered);
      if (!more) return fail(more.error());
      if (!*more) return {};
    }
  } catch (const std::exception& failure) {
    return fail(Code::kInternal, "migration-failed", "The schema could not be brought up to date.", failure.what());
  }
}

}  // namespace tiltyard::store
