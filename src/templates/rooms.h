#pragma once

#include "realtime/realtime.h"
#include "templates/view.h"

namespace tiltyard::templates {

/// "templates" (docs/realtime.md).
realtime::RoomKind room_of(Shown shown);

}  // namespace tiltyard::templates
