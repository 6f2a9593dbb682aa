#include "labs/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace tiltyard::labs {

using std::chrono::seconds;

seconds first_lease(const templates::LeasePolicy& policy, const std::string& context) {
  seconds length = policy.timeout;
  if (const auto found = policy.by_context.find(context); found != policy.by_context.end()) length = found->second;
  if (policy.max_total > seconds{0}) length = std::min(length, policy.max_total);
  return length;
}

seconds next_extension(const templates::LeasePolicy& policy, const LeaseState& lease) {
  if (policy.extend_by <= seconds{0}) return seconds{0};
  if (policy.max_extensions > 0 && lease.extensions >= policy.max_extensions) return seconds{0};
  seconds by = policy.extend_by;
  if (policy.max_added > seconds{0}) by = std::min(by, policy.max_added - lease.added);
  if (policy.max_total > seconds{0}) {
    const auto so_far = std::chrono::ceil<seconds>(lease.expires_at - lease.started_at);
    by = std::min(by, policy.max_total - so_far);
  }
  return std::max(by, seconds{0});
}

std::optional<TimePoint> extendable_at(const templates::LeasePolicy& policy, const LeaseState& lease) {
  if (next_extension(policy, lease) == seconds{0}) return std::nullopt;
  TimePoint earliest = lease.started_at + policy.extend_after;
  if (policy.extend_within > seconds{0}) earliest = std::max(earliest, lease.expires_at - policy.extend_within);
  return earliest;
}

Result<LeaseState> extend(const templates::LeasePolicy& policy, const LeaseState& lease, TimePoint now) {
  if (now >= lease.expires_at) {
    return fail(Code::kConflict, "lease-ended", "The lease has already ended; start a new instance.");
  }
  const auto from = extendable_at(policy, lease);
  if (!from) {
    return fail(Code::kConflict, "extension-exhausted",
                "This lease has been extended as far as its policy allows; it ends when the count-down does.");
  }
  if (now < *from) {
    Error early{Code::kConflict,
                "not-extendable-yet",
                fmt::format("The lease can be extended from {} on.", to_rfc3339(*from)),
                {},
                {}};
    return fail(std::move(early).with("extendable_at", to_rfc3339(*from)));
  }
  const seconds by = next_extension(policy, lease);
  LeaseState longer = lease;
  longer.expires_at += by;
  longer.added += by;
  ++longer.extensions;
  return longer;
}

TimePoint expiry_due(const templates::LeasePolicy& policy, TimePoint expires_at) {
  int hour = 0, minute = 0;
  if (policy.sweep_at.empty() || std::sscanf(policy.sweep_at.c_str(), "%2d:%2d", &hour, &minute) != 2) {
    return expires_at;
  }
  const auto day = std::chrono::floor<std::chrono::days>(expires_at);
  const TimePoint sweep = day + std::chrono::hours{hour} + std::chrono::minutes{minute};
  return sweep >= expires_at ? sweep : sweep + std::chrono::days{1};
}

std::optional<TimePoint> lease_due(const Instance& instance) {
  if (!instance.expires_at || !is_up(instance.state)) return std::nullopt;
  return expiry_due(instance.lease, *instance.expires_at);
}

}  // namespace tiltyard::labs
