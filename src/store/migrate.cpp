#include "store/migrate.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "observe/log.h"
#include "store/connection.h"
#include "store/schema.h"

namespace tiltyard::store {
namespace {

Result<> check_foreign_keys(soci::session& sql) {
  std::string table;
  soci::indicator found = soci::i_null;
  sql << "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", soci::into(table, found);
  if (!sql.got_data()) return {};
  return fail(Code::kInternal, "migration-failed", "A migration left rows that point at nothing.", "table " + table);
}

/// A key of SQLite's own kind, the number by which it finds a row, needs no index beside the table; but only a column
/// of type INTEGER is one, and on PostgreSQL that has 32 bits. Databases of before keep their index.
std::string with_own_keys(std::string_view sql) {
  constexpr std::string_view kPortable = "bigint primary key", kOwn = "INTEGER PRIMARY KEY";
  std::string out;
  while (true) {
    const auto found =
        std::ranges::search(sql, kPortable, {}, [](char c) { return std::tolower(static_cast<unsigned char>(c)); });
    out.append(sql.begin(), found.begin());
    if (found.empty()) return out;
    out += kOwn;
    sql.remove_prefix(static_cast<std::size_t>(found.end() - sql.begin()));
  }
}

Result<> apply_one(Connection& connection, const Step& next) {
  if (auto done = connection.execute(with_own_keys(next.migration.sql).c_str()); !done) return done;
  soci::session& sql = connection.session();
  if (auto sound = check_foreign_keys(sql); !sound) return sound;
  note_applied(sql, next);
  return {};
}

/// Applies the first that is missing and returns it; nullptr when none is. What is missing is looked up inside the
/// transaction: of two servers that start together, one waits and finds it done.
Result<const Step*> apply_next(Connection& connection, const std::vector<Step>& steps) {
  soci::session& sql = connection.session();
  auto missing = next_missing(sql, steps);
  if (!missing || *missing == nullptr) return missing;
  const Step& next = **missing;
  auto done = apply_one(connection, next);
  if (!done) return fail(failed_migration(next, done.error()));
  return &next;
}

/// One transaction; false when there was nothing left to do.
Result<bool> step(Connection& connection, const std::vector<Step>& steps) {
  if (auto begun = connection.execute("BEGIN IMMEDIATE"); !begun) return fail(begun.error());
  Result<const Step*> applied = nullptr;
  try {
    applied = apply_next(connection, steps);
  } catch (const std::exception& failure) {
    applied = fail(Code::kInternal, "migration-failed", "The schema could not be brought up to date.", failure.what());
  }
  auto ended = connection.execute(applied ? "COMMIT" : "ROLLBACK");
  if (!ended && connection.in_transaction()) (void)connection.execute("ROLLBACK");
  if (!applied) return fail(applied.error());
  if (!ended) return fail(ended.error());
  if (*applied == nullptr) return false;
  log::info("store", "Migration applied.",
            {{"of", (*applied)->slice}, {"number", (*applied)->number}, {"migration", (*applied)->migration.name}});
  return true;
}

}  // namespace

Result<> migrate_sqlite(const std::string& path, const std::vector<Slice>& slices) {
  auto ordered = in_order(slices);
  if (!ordered) return fail(ordered.error());
  try {
    Connection connection(path, Connection::Use::kMigrate);
    auto created = connection.execute(kMigrationsTables);
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
