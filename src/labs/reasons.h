#pragma once

/// Reasons that more than one part of labs speaks of.
namespace tiltyard::labs::reason {

inline constexpr char kTooLong[] = "spawn-too-long";  ///< labs.spawn_limit
inline constexpr char kCancelled[] = "cancelled";
inline constexpr char kTemplateChanged[] = "template-changed";
inline constexpr char kNotReached[] = "not-reached";  ///< of a step, as another has failed
inline constexpr char kDependencyFailed[] = "dependency-failed";
inline constexpr char kMachineExited[] = "machine-exited";
inline constexpr char kMachineUnhealthy[] = "machine-unhealthy";
inline constexpr char kNamespaceClaimed[] = "namespace-claimed";
inline constexpr char kEngineLoss[] = "engine-loss";  ///< as the reason of an end
inline constexpr char kEngineUnavailable[] =
    "engine-unavailable";  ///< as those outside are told of an engine that is away
inline constexpr char kInstanceExists[] = "instance-exists";
inline constexpr char kInstanceUnknown[] = "instance-unknown";
inline constexpr char kEndpointUnknown[] = "endpoint-unknown";
inline constexpr char kMachineUnknown[] = "machine-unknown";

}  // namespace tiltyard::labs::reason
