#include "ports/policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace tiltyard::ports {
namespace {

std::string words_of(const std::vector<EndpointKind>& kinds) {
  std::string out;
  for (const auto kind : kinds) out += (out.empty() ? "" : ", ") + std::string(word_of(kind));
  return out;
}

}  // namespace

bool Policy::shows(const std::string& machine) const {
  return !kinds.empty() && (machines.empty() || std::ranges::find(machines, machine) != machines.end());
}

bool Policy::has(std::uint16_t port) const {
  return ranges.empty() ||
         std::ranges::any_of(ranges, [&](const auto& one) { return port >= one.first && port <= one.last; });
}

Result<> Policy::allows(const std::string& machine, std::uint16_t port, EndpointKind kind) const {
  if (kinds.empty()) return fail(Code::kForbidden, "ports-off", why);
  if (!shows(machine)) {
    return fail(Code::kForbidden, "machine-closed",
                fmt::format("The template keeps the ports of machine '{}' closed.", machine));
  }
  if (!has(port)) {
    return fail(Code::kForbidden, "port-not-allowed",
                fmt::format("Port {} is not among those that the template lets you open.", port));
  }
  if (std::ranges::find(kinds, kind) == kinds.end()) {
    return fail(Code::kForbidden, "kind-not-allowed",
                fmt::format("A port cannot be opened as {} here; there is {}.", word_of(kind), words_of(kinds)));
  }
  return {};
}

Policy policy_of(const Options& options, const templates::Template* tmpl) {
  Policy policy;
  if (tmpl == nullptr) {
    policy.why = "The template has changed since this instance began, and with it what it allows; start it again.";
    return policy;
  }
  const auto& said = tmpl->open_ports;
  for (const auto& word : options.open) {
    const auto kind = endpoint_kind(word);
    if (!kind) continue;
    if (!said.kinds || std::ranges::find(*said.kinds, *kind) != said.kinds->end()) policy.kinds.push_back(*kind);
  }
  policy.max = std::min(options.max, said.max.value_or(options.max));
  if (policy.max == 0) policy.kinds.clear();
  policy.ranges = said.ranges;
  policy.machines = said.machines;
  if (policy.kinds.empty()) {
    const bool by_operator = options.open.empty() || options.max == 0;
    policy.why = by_operator ? "This server lets nobody open ports of machines (ports.open)."
                             : "The template keeps the ports of its machines closed.";
  }
  return policy;
}

}  // namespace tiltyard::ports
