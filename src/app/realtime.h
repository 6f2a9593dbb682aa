#pragma once

#include "config/settings.h"
#include "farm/farm.h"
#include "jobs/jobs.h"
#include "labs/view.h"
#include "realtime/realtime.h"
#include "templates/templates.h"

namespace tiltyard::app {

realtime::Options realtime_options(const config::Settings& from);

/// Whose things the rooms show; all outlive the real-time service.
struct RoomSources {
  labs::Service& labs;
  templates::Catalogue& catalogue;
  farm::Service& farm;
  jobs::Service& jobs;
  labs::PublicAddress address;
};

/// Registers every kind of room there is (docs/realtime.md).
void add_rooms(realtime::Service& service, RoomSources sources);

}  // namespace tiltyard::app
