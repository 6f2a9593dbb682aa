#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "limits/limiters.h"

namespace soci {
class session;
}

namespace tiltyard::limits::sql {

/// What staff have changed, by limiter.
Result<std::map<std::string, Rates>> read_changes(soci::session& sql);
/// Keeps a change (nullopt: takes it back) and records the event, in the caller's transaction.
Result<> write_change(soci::session& sql, const std::string& limiter, const std::optional<Rates>& rates,
                      const std::string& actor);

}  // namespace tiltyard::limits::sql
