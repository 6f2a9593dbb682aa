#pragma once

#include <boost/json/value.hpp>

#include "engine/engine.h"

namespace tiltyard::engine::docker {

// What the Engine API's answers say, in our types. Pure.

Labels labels_of(const boost::json::value& object);
MachineStatus machine_status(const boost::json::value& inspected);
Resource listed_machine(const boost::json::value& item);
Resource listed_network(const boost::json::value& item);
Resource listed_volume(const boost::json::value& item);
Stats machine_stats(const boost::json::value& stats);
ImageInfo image_info(const boost::json::value& inspected);
/// An event of GET /events; nullopt where it is none of a container, or none that we know.
std::optional<EngineEvent> engine_event(const boost::json::value& event);
/// RFC 3339 with nanoseconds and any offset, or "0001-01-01T00:00:00Z" for never.
TimePoint time_of(const boost::json::value& value);

}  // namespace tiltyard::engine::docker
