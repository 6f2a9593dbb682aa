#pragma once

namespace tiltyard::cli {

/// What the process ends with, so that scripts can tell why. `exec` passes on the exit code of its command instead.
enum Exit {
  kOk = 0,
  kFailed = 1,      ///< it was tried and did not work
  kUsage = 2,       ///< the command line itself is wrong
  kNotFound = 3,    ///< there is no such template, instance, user or token
  kServerAway = 4,  ///< no server answers at TILTYARD_URL
};

}  // namespace tiltyard::cli
