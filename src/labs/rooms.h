#pragma once

#include <vector>

#include "labs/view.h"
#include "realtime/realtime.h"

namespace tiltyard::labs {

/// Whose things the rooms show; all outlive the real-time service.
struct RoomSources {
  Service& labs;
  PublicAddress address;
};

/// "instances" (docs/realtime.md).
std::vector<realtime::RoomKind> rooms_of(RoomSources sources);

}  // namespace tiltyard::labs
