#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "farm/model.h"

namespace tiltyard::farm {

/// One time that a flag was handed out, and what came back.
struct Attempt {
  std::string lease, sender;
  TimePoint sent_at{};
  std::optional<TimePoint> answered_at;
  std::optional<Verdict> verdict;
  std::string message;
  bool late = false;
};

/// A flag's attempts by the number of their lease, and where in the log the earlier ones are told of; 0: nowhere.
struct Attempts {
  std::map<std::uint32_t, Attempt> by_lease;
  std::uint32_t earlier_lease_row = 0, earlier_verdict_row = 0;
};

/// Adds what one row of the log tells of a flag. `earlier_…` are those before this row's first.
void read_attempts(std::string_view row_text, std::uint32_t row, std::uint32_t flag, Attempts& into);

}  // namespace tiltyard::farm
