#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace tiltyard::store {

/// What the migrations of every back-end have in common: which there are, which have been applied, which comes next.
struct AppliedMigration {
  int number = 0;
  std::string name;
};

inline constexpr const char* kMigrationsTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT "
    "NOT NULL)";

/// Sorted by number; every block is used from its first number on, without gaps. `migration-invalid`.
Result<std::vector<Migration>> in_order(std::vector<Migration> migrations);

std::vector<AppliedMigration> read_applied(soci::session& sql);
void note_applied(soci::session& sql, const Migration& migration);

/// The first that is missing; nullptr when none is. `schema-newer` and `schema-mismatch` when the database has
/// something else than we know. `known` is in order.
Result<const Migration*> next_missing(const std::vector<AppliedMigration>& applied,
                                      const std::vector<Migration>& known);

/// The error of a migration that failed and was undone.
Error failed_migration(const Migration& migration, Error cause);

}  // namespace tiltyard::store
