#pragma once

#include "base/clock.h"
#include "base/gate.h"
#include "engine/engines.h"
#include "house/routes.h"
#include "identity/identity.h"
#include "labs/service.h"
#include "labs/view.h"
#include "recordings/recordings.h"
#include "templates/capability.h"

namespace tiltyard::labs {

/// What the routes need; all outlive the router.
struct HttpParts {
  Service& service;
  templates::Capability& templates;
  engine::Engines& engines;
  bus::Bus& bus;
  const Clock& clock;
  PublicAddress address;
  const Options& options;
  asio::any_io_executor home;
  Gate& gate;  ///< of what goes on when its request has ended
  recordings::Recordings& recordings;
};

struct Open;

/// Registers /api/v1/instances, events and the staff's routes of labs.
void add_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts, std::shared_ptr<Open> open);

// The slices of it, one file each.
void add_instance_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts);  // http.cpp
void add_machine_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts,
                        std::shared_ptr<Open> open);                                   // http_machines.cpp
void add_event_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts);  // http_events.cpp
void add_staff_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts);  // http_staff.cpp

/// Whether this caller may see and touch the instance.
bool owns(const identity::Principal& who, const Instance& instance);

}  // namespace tiltyard::labs
