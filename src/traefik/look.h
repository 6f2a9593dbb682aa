#pragma once

#include <string>

#include "base/result.h"
#include "traefik/options.h"

namespace tiltyard::traefik {

/// For doctor: what is there, in a sentence, or what is wrong and what to do. Blocking, some seconds at most.
Result<std::string> look(const Options& options);

}  // namespace tiltyard::traefik
