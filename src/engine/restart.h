#pragma once

#include <charconv>

#include "engine/events.h"

namespace tiltyard::engine {

/// The label of machines whose engine starts them again when they end, with the policy as the template says it.
inline constexpr char kLabelRestart[] = "tiltyard.restart";
/// What an event of a machine's end has beside the machine's own labels, as the Docker engine calls it.
inline constexpr char kLabelExitCode[] = "exitCode";

/// With what the machine ended; 0 where that was not told.
inline int exit_code_of(const EngineEvent& death) {
  int code = 0;
  if (const auto found = death.labels.find(kLabelExitCode); found != death.labels.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), code);
  return code;
}

}  // namespace tiltyard::engine
