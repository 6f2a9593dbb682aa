#pragma once

#include <memory>
#include <span>
#include <vector>

#include "house/capability.h"

namespace tiltyard::house {

/// The migrations of all of them behind those of the floors below. Each part counts for itself, so two cannot have one
/// number; a table that two make is `declared-twice`, with both names, and so is a name that a floor has.
Result<std::vector<store::Slice>> migrations_of(std::span<const std::unique_ptr<Capability>> all,
                                                std::vector<store::Slice> below);
/// The limiters of all of them behind `below`. `declared-twice` names both who have one name.
Result<std::vector<limits::Limiter>> limiters_of(std::span<const std::unique_ptr<Capability>> all,
                                                 std::vector<limits::Limiter> below);
/// What a part of the house measures.
struct Measured {
  std::string of;
  const metrics::Metric* metric;
};
/// The metrics of all of them behind `below`. `declared-twice` names both who have one name.
Result<std::vector<Measured>> measures_of(std::span<const std::unique_ptr<Capability>> all,
                                          std::vector<Measured> below);
/// The table that people look things up in (docs/metrics.md): by part, in Markdown.
std::string markdown(std::span<const Measured> measured);

/// Names of capabilities and of switches are there once; `declared-twice` otherwise.
Result<> check_names(std::span<const std::unique_ptr<Capability>> all);
/// What was found wrong while routes were added; `declared-wrongly`.
Result<> check_routes(const Routes& routes);

}  // namespace tiltyard::house
