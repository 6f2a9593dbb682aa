#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace tiltyard::store {

/// What the migrations of every back-end have in common: which there are, which have been applied, which comes next.
struct Step {
  std::string slice;
  int number = 0;  ///< within the slice, from 1
  Migration migration;

  /// "labs 3 (\"pace\")"
  std::string shown() const;
};

/// `schema_migrations` is what servers of before look at: they numbered the migrations of all slices together.
inline constexpr const char* kMigrationsTables =
    "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT "
    "NOT NULL); "
    "CREATE TABLE IF NOT EXISTS schema_steps (slice TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, "
    "applied_at BIGINT NOT NULL, PRIMARY KEY (slice, number))";

/// All of them in the order in which an empty database gets them. `migration-invalid`.
Result<std::vector<Step>> in_order(const std::vector<Slice>& slices);

/// The first that is missing; nullptr when none is. Takes over what a server of before has recorded, first, and keeps
/// such a server from starting here again. `schema-newer` and `schema-mismatch` when the database has something else
/// than we know. Within a transaction of its own.
Result<const Step*> next_missing(soci::session& sql, const std::vector<Step>& known);
void note_applied(soci::session& sql, const Step& step);

/// The error of a migration that failed and was undone.
Error failed_migration(const Step& step, Error cause);

}  // namespace tiltyard::store
