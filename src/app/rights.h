#pragma once

namespace tiltyard::app {

/// Takes from this process for good what a server that is root could do to its host and never needs: mounts, modules,
/// devices, the clock, raw packets, other programs' rights. Before the first thread. What it may keep it needs for the
/// firewall table, files of any owner, low ports, and senders of an account of their own.
void drop_rights();

}  // namespace tiltyard::app
