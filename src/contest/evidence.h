#pragma once

#include <string>
#include <vector>

#include "contest/service.h"

namespace tiltyard::contest {

/// Something that speaks for (above 0) or against (below 0) that a flag was passed on.
struct Reason {
  int weight = 0;
  std::string text;
};

/// What is known of a case (row 5.4). Never a verdict: that is a person's.
struct Evidence {
  std::vector<Reason> reasons;
  /// From 0, nothing speaks for it, to 100.
  int score() const;
};

/// `all`: the contest's cases, to see who shares more than once with whom.
asio::awaitable<Result<Evidence>> evidence_of(Service* service, RunningRef running, Shared one,
                                              std::vector<Shared> all);

}  // namespace tiltyard::contest
