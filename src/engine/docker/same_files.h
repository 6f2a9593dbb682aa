#pragma once

#include <string>

namespace tiltyard::engine::docker {

/// Whether who listens on the Unix socket finds our `folder` (absolute, there) under the same name: not when we live in
/// another root, as in a chroot, or in a container that was given the socket. The listener is known by SO_PEERCRED
/// (unix(7)) and looked at through /proc/PID/root (proc(5)). True where that cannot be found out because we may not
/// look.
bool sees_our_files(const std::string& socket_path, const std::string& folder);

}  // namespace tiltyard::engine::docker
