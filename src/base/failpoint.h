#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>

#include "base/result.h"

namespace tiltyard {

namespace asio = boost::asio;

/// A named place where a test can make the world go wrong. `tiltyard serve --break-on-purpose
/// "labs.spawn.machines.before=kill;x=error"` arms them, and nothing else does: no variable and no file can be left
/// over from a test. `kill` ends the process with SIGKILL, `error` makes the place fail, `sleep:MS` holds it, `hold`
/// until it is armed otherwise. Each fires each time it is passed, `kill@N` and `error@N` only the N-th time (from 1).
/// Unarmed, a place costs one relaxed load. Completes with an error (`failpoint`) where `error` is armed.
asio::awaitable<Result<>> failpoint(std::string name);

/// Whether any is armed at all.
bool failpoints_armed();

/// An empty text disarms all.
void arm_failpoints(std::string_view text);

/// How often the place has been reached since it was armed.
int failpoint_passes(std::string_view name);

}  // namespace tiltyard
