#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "labs/model.h"
#include "templates/model.h"

namespace tiltyard::labs {

/// Row 1.8: what a lease policy's numbers mean. All pure functions of the numbers and the times.

/// How long the first lease is: by context if the policy knows it, else `timeout`, never over `max_total`.
std::chrono::seconds first_lease(const templates::LeasePolicy& policy, const std::string& context);

struct LeaseState {
  TimePoint started_at{};
  TimePoint expires_at{};
  int extensions = 0;
  std::chrono::seconds added{0};
};

/// By how much one more extension would move the end now; zero: never again.
std::chrono::seconds next_extension(const templates::LeasePolicy& policy, const LeaseState& lease);

/// From when on the next extension is allowed; nullopt: never again.
std::optional<TimePoint> extendable_at(const templates::LeasePolicy& policy, const LeaseState& lease);

/// The lease after one extension at `now`; `lease-ended`, `not-extendable-yet` (field extendable_at) or
/// `extension-exhausted`.
Result<LeaseState> extend(const templates::LeasePolicy& policy, const LeaseState& lease, TimePoint now);

/// When an ended lease is acted upon: at once, or at the policy's daily sweep (UTC) that follows.
TimePoint expiry_due(const templates::LeasePolicy& policy, TimePoint expires_at);
/// When the instance is to be stopped because its lease has ended; nullopt: it is not up, or has no lease.
std::optional<TimePoint> lease_due(const Instance& instance);

}  // namespace tiltyard::labs
