#pragma once

#include "observe/metric.h"

namespace tiltyard::realtime::measures {

inline constexpr metrics::Metric kConnections{.name = "tiltyard_realtime_connections",
                                              .kind = metrics::Kind::kGauge,
                                              .unit = "connections",
                                              .help = "Open real-time connections"};
inline constexpr metrics::Metric kClosed{.name = "tiltyard_realtime_closed_total",
                                         .kind = metrics::Kind::kCounter,
                                         .unit = "connections",
                                         .help = "Real-time connections that have ended, by reason",
                                         .labels = {"reason"}};
inline constexpr metrics::Metric kRecoveries{.name = "tiltyard_realtime_recoveries_total",
                                             .kind = metrics::Kind::kCounter,
                                             .unit = "clients",
                                             .help = "Clients that came back with a session, by outcome",
                                             .labels = {"recovered"}};

inline constexpr const metrics::Metric* kAll[] = {&kConnections, &kClosed, &kRecoveries};

}  // namespace tiltyard::realtime::measures
