#pragma once

namespace tiltyard::app {

/// Takes from this process for good what a server that is root could do to its host and never needs: mounts, modules,
/// devices, the clock, other programs' rights. Before the first thread. What it may keep it needs for the firewall
/// table, files of any owner, low ports, senders of an account of their own and, where there are any, captures.
void drop_rights(bool captures);

}  // namespace tiltyard::app
