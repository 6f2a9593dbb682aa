#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limits/gcra.h"

namespace tiltyard::limits {

/// RateLimit-Policy and RateLimit as draft-ietf-httpapi-ratelimit-headers-09 has them: for each quota its name, how
/// many it gives (q) in how many seconds (w), how many are left (r) and in how many seconds all are back (t). `charges`
/// are those of the outcome from `first` on.
std::vector<std::pair<std::string, std::string>> fields(std::span<const Charge> charges, const Outcome& outcome,
                                                        std::size_t first = 0);

}  // namespace tiltyard::limits
