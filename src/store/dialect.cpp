#include <soci/soci.h>

#include "store/store.h"

namespace tiltyard::store {

Dialect dialect_of(soci::session& sql) {
  return sql.get_backend_name() == "postgresql" ? Dialect::kPostgresql : Dialect::kSqlite;
}

const char* skip_locked(soci::session& sql) {
  return dialect_of(sql) == Dialect::kPostgresql ? " FOR UPDATE SKIP LOCKED" : "";
}

}  // namespace tiltyard::store
