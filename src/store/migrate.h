#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace tiltyard::store {

/// Store::migrate for SQLite, on a connection of its own. Errors: `migration-invalid` (the lists have doubles),
/// `schema-newer`, `schema-mismatch` (the file was written by other migrations), `migration-failed`.
Result<> migrate_sqlite(const std::string& path, const std::vector<Slice>& slices);

}  // namespace tiltyard::store
