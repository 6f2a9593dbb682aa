#pragma once

#include <cstdint>

#include "imports/model.h"

namespace tiltyard::contest {

/// What a value depends on beside its own numbers.
struct Circumstances {
  std::int64_t solves = 0;       ///< that count
  std::int64_t most_solves = 0;  ///< of any challenge of the contest (legacy)
  double first_after = 0;        ///< from the contest's start to the first solve, or until now; seconds (jammy)
  double length = 0;             ///< of the contest; seconds; 0: it has none (jammy)
};

/// What a challenge is worth, in points. The formulas stand in docs/challenge.md: CTFd's plugins/challenges/decay.py,
/// rCTF's packages/scoring and GZCTF's GameChallenge.cs have them.
std::int64_t value_of(const imports::Value& value, const Circumstances& how);

/// The bonus of a first solve: thousandths of the value, rounded half to even as GZCTF does.
std::int64_t blood_bonus(std::int64_t value, int thousandths);

}  // namespace tiltyard::contest
