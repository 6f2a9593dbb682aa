#pragma once

/// The reasons of an engine's errors; which come when, engine.h says.
namespace tiltyard::engine::reason {

inline constexpr char kAway[] = "engine-away";        ///< nothing was done
inline constexpr char kLost[] = "engine-lost";        ///< cut in mid-call, the outcome is unknown; call again
inline constexpr char kBusy[] = "engine-busy";        ///< try elsewhere or later
inline constexpr char kRefused[] = "engine-refused";  ///< it said no, see the message
inline constexpr char kCannot[] = "engine-cannot";    ///< no engine of this kind does that
inline constexpr char kOutOfDisk[] = "engine-out-of-disk";
inline constexpr char kOutOfMemory[] = "engine-out-of-memory";
inline constexpr char kImageMissing[] = "image-missing";
inline constexpr char kMachineMissing[] = "machine-missing";
inline constexpr char kNameTaken[] = "name-taken";  ///< somebody else's resource has the name
inline constexpr char kAddressTaken[] = "address-taken";
inline constexpr char kBuildFailed[] = "build-failed";
inline constexpr char kDidNotStart[] = "machine-did-not-start";   ///< such as a command that does not exist
inline constexpr char kIsolationMissing[] = "isolation-missing";  ///< our firewall table is not in force

}  // namespace tiltyard::engine::reason
