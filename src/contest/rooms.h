#pragma once

#include "contest/service.h"
#include "realtime/realtime.h"

namespace tiltyard::contest {

/// "contest:ID" (docs/realtime.md): solves as they come, what they change, and what staff announce.
realtime::RoomKind room_of(Service& service);

}  // namespace tiltyard::contest
