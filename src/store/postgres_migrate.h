#pragma once

#include <vector>

#include "base/result.h"
#include "store/postgres_link.h"

namespace tiltyard::store {

/// The store's own tables. Of servers that start together one makes them, the others wait.
Result<> make_postgres_tables(PostgresShared& shared);

/// Store::migrate for PostgreSQL, on a connection of its own, under an advisory lock: of servers that start together
/// one migrates, the others wait and find it done. The errors are those of Store::migrate.
Result<> migrate_postgres(PostgresShared& shared, const std::vector<Slice>& slices);

}  // namespace tiltyard::store
