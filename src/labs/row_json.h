#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "labs/model.h"
#include "labs/store.h"

namespace tiltyard::labs {

/// The parts of a row that are kept as JSON text, because nobody asks the database about their insides. Reading what an
/// earlier version wrote must go on working: a missing member has its default.
/// Without engine and handles, which have columns of their own. Versions before had them here (`kOfBefore`).
enum class PlanForm { kNow, kOfBefore };
std::string to_json(const Plan& plan);
Result<Plan> parse_plan(std::string_view text, PlanForm form);
std::string to_json(const templates::LeasePolicy& lease);
Result<templates::LeasePolicy> parse_lease(std::string_view text);
std::string timings_json(const Timings& timings);
Timings parse_timings(std::string_view text);

}  // namespace tiltyard::labs
