#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>

#include "store/store.h"

namespace tiltyard::store {

/// Who the server of this database is: 16 hexadecimal digits, drawn once and kept in the database, so that they go
/// where it goes. A copy of the database is the same server.
asio::awaitable<Result<std::string>> server_identity(Store& store);

}  // namespace tiltyard::store
