#include "store/postgres_store.h"
#include "store/postgres_target.h"
#include "store/sqlite_store.h"
#include "store/store.h"

namespace tiltyard::store {

Result<std::unique_ptr<Store>> open(const std::string& url) {
  return is_postgres_url(url) ? open_postgres(url) : open_sqlite(url);
}

}  // namespace tiltyard::store
