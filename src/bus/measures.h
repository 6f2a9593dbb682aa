#pragma once

#include "observe/metric.h"

namespace tiltyard::bus::measures {

inline constexpr metrics::Metric kDropped{.name = "tiltyard_events_dropped_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "events",
                                          .help = "Events that the database was too slow for"};

inline constexpr const metrics::Metric* kAll[] = {&kDropped};

}  // namespace tiltyard::bus::measures
