#include "store/schema.h"

#include <fmt/core.h>
#include <soci/soci.h>

#include <algorithm>

#include "base/clock.h"

namespace tiltyard::store {
namespace {

/// Slices own blocks of this many numbers; the first block begins at 1, because there is no migration 0.
constexpr int kBlock = 50;

/// Whether we know everything that the file has, under the same names.
Result<> compare(const std::vector<AppliedMigration>& applied, const std::vector<Migration>& known) {
  for (const AppliedMigration& row : applied) {
    const auto ours = std::ranges::find(known, row.number, &Migration::number);
    if (ours == known.end()) {
      return fail(
          Code::kConflict, "schema-newer",
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

}  // namespace

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
    return fail(
        Code::kInternal, "migration-invalid",
        fmt::format("Migration {} (\"{}\") does not follow number {}.", migration.number, migration.name, previous));
  }
  return migrations;
}

std::vector<AppliedMigration> read_applied(soci::session& sql) {
  std::vector<AppliedMigration> applied;
  AppliedMigration row;
  soci::statement statement = (sql.prepare << "SELECT number, name FROM schema_migrations ORDER BY number",
                               soci::into(row.number), soci::into(row.name));
  statement.execute();
  while (statement.fetch()) applied.push_back(row);
  return applied;
}

void note_applied(soci::session& sql, const Migration& migration) {
  const long long now = to_micros(SystemClock().now());
  sql << "INSERT INTO schema_migrations (number, name, applied_at) VALUES (:number, :name, :now)",
      soci::use(migration.number, "number"), soci::use(migration.name, "name"), soci::use(now, "now");
}

Result<const Migration*> next_missing(const std::vector<AppliedMigration>& applied,
                                      const std::vector<Migration>& known) {
  if (auto same = compare(applied, known); !same) return fail(same.error());
  for (const Migration& migration : known) {
    if (std::ranges::find(applied, migration.number, &AppliedMigration::number) != applied.end()) continue;
    for (const AppliedMigration& row : applied) {
      if (row.number / kBlock != migration.number / kBlock || row.number < migration.number) continue;
      return fail(Code::kConflict, "schema-mismatch",
                  fmt::format("The database has migration {} but lacks {}, which comes before it.", row.number,
                              migration.number));
    }
    return &migration;
  }
  return nullptr;
}

Error failed_migration(const Migration& migration, Error cause) {
  if (cause.code != Code::kExhausted) cause.reason = "migration-failed";
  cause.message = fmt::format("Migration {} (\"{}\") failed; the database is as before it. {}", migration.number,
                              migration.name, cause.message);
  return cause;
}

}  // namespace tiltyard::store
