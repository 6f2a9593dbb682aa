#pragma once

namespace tiltyard::engine {

/// The label of machines whose engine starts them again when they end, with the policy as the template says it.
inline constexpr char kLabelRestart[] = "tiltyard.restart";

}  // namespace tiltyard::engine
