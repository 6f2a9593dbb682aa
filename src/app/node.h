#pragma once

#include <string>

#include "base/result.h"

namespace tiltyard::app {

/// What this server is called where several work together: the host's name and a random part that is kept in the data
/// folder. That folder is locked, so two servers never have one name, and one that starts again has its own.
Result<std::string> node_name(const std::string& data_folder);

}  // namespace tiltyard::app
