#include "labs/hold.h"

#include <algorithm>
#include <initializer_list>

namespace tiltyard::labs {
namespace {

bool one_of(Doing doing, std::initializer_list<Doing> allowed) {
  return std::ranges::find(allowed, doing) != allowed.end();
}

/// What can be done with an instance in this state. "Nothing" is always possible: so it stands after a restart.
bool can_be_done(InstanceState state, Doing doing) {
  using enum Doing;
  switch (state) {
    case InstanceState::kQueued:
    case InstanceState::kPreparing:
    case InstanceState::kStarting:
      return one_of(doing, {kNothing, kSpawning, kStopping});
    case InstanceState::kRunning:
      return true;
    case InstanceState::kPaused:
      return one_of(doing, {kNothing, kPausing, kWaking, kMending, kRerouting, kStopping});
    case InstanceState::kStopping:
    case InstanceState::kStopped:
    case InstanceState::kFailed:
      return one_of(doing, {kNothing, kStopping});
  }
  return false;
}

}  // namespace

std::string_view contradiction(const Live& live) {
  using enum Doing;
  const auto doing = live.work.doing();
  const auto& instance = live.instance;
  const bool waits = instance.pool == PoolRole::kWaiting;
  if (!can_be_done(instance.state, doing)) return "this is not done in its state";
  if (live.work.free() && live.work.next() != Next::kNothing) return "something follows where nothing is done";
  if (live.claimant && (!waits || doing != kClaiming)) return "somebody is being given what nobody claims";
  if (live.waking && !one_of(doing, {kWaking, kStopping})) return "those who wait for a wake wait for nothing";
  if (live.kept != Kept::kRunning && !waits && !one_of(doing, {kClaiming, kStopping})) {
    return "its machines are kept for an owner whom it has";
  }
  if (waits && !instance.owner.empty()) return "it waits for an owner and has one";
  return {};
}

}  // namespace tiltyard::labs
