#pragma once

namespace tiltyard::net {

/// Who accepts connections. The rest of the process (database, engine, timers, files) is never to find that none is
/// left, and the page is to be reached when players' connections have taken theirs.
enum class Door { kPage, kGateway };

/// Whether a descriptor that was just opened is one of those that are kept back from this door; then it is to be closed
/// at once. The kernel gives the lowest number that is free (open(2), "file descriptor"), so the number itself says
/// that all below it are in use: no counting, no call.
bool kept_back(int descriptor, Door door);
/// Whether the next one that is opened would be.
bool short_of_descriptors(Door door);
/// How many are kept back from it, of the process' limit as it was when this was first asked.
int reserve(Door door);

}  // namespace tiltyard::net
