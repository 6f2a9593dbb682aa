#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace tiltyard::store {

/// `open` for sqlite:PATH.
Result<std::unique_ptr<Store>> open_sqlite(const std::string& url);

}  // namespace tiltyard::store
