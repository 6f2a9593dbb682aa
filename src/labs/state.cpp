#include <array>
#include <utility>

#include "labs/model.h"

namespace tiltyard::labs {
namespace {

constexpr std::array<std::pair<InstanceState, std::string_view>, 8> kWords{{
    {InstanceState::kQueued, "queued"},
    {InstanceState::kPreparing, "preparing"},
    {InstanceState::kStarting, "starting"},
    {InstanceState::kRunning, "running"},
    {InstanceState::kPaused, "paused"},
    {InstanceState::kStopping, "stopping"},
    {InstanceState::kStopped, "stopped"},
    {InstanceState::kFailed, "failed"},
}};

}  // namespace

std::string_view to_string(InstanceState state) {
  for (const auto& [value, word] : kWords) {
    if (value == state) return word;
  }
  return "failed";
}

std::optional<InstanceState> parse_state(std::string_view text) {
  for (const auto& [value, word] : kWords) {
    if (word == text) return value;
  }
  return std::nullopt;
}

std::string_view to_string(PoolRole role) {
  switch (role) {
    case PoolRole::kWaiting: return "waiting";
    case PoolRole::kClaimed: return "claimed";
    case PoolRole::kNone: break;
  }
  return "";
}

std::string_view to_string(PoolKind kind) {
  switch (kind) {
    case PoolKind::kRunning: return "running";
    case PoolKind::kCreated: return "created";
    case PoolKind::kNone: break;
  }
  return "none";
}

}  // namespace tiltyard::labs
