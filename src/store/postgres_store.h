#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace tiltyard::store {

/// `open` for postgresql://...
Result<std::unique_ptr<Store>> open_postgres(const std::string& url);

}  // namespace tiltyard::store
