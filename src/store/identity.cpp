#include "store/identity.h"

#include <soci/soci.h>

#include "base/id.h"

namespace tiltyard::store {

asio::awaitable<Result<std::string>> server_identity(Store& store) {
  auto draw = [fresh = random_hex(8)](soci::session& sql) -> Result<std::string> {
    sql << "INSERT INTO store_identity (id, server) VALUES (1, :fresh) ON CONFLICT (id) DO NOTHING",
        soci::use(fresh, "fresh");
    std::string server;
    sql << "SELECT server FROM store_identity WHERE id = 1", soci::into(server);
    return server;
  };
  co_return co_await store.write(draw);
}

}  // namespace tiltyard::store
