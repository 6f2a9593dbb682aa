#pragma once

#include "observe/metric.h"

namespace tiltyard::captures::measures {

inline constexpr metrics::Metric kRunning{.name = "tiltyard_captures_running",
                                          .kind = metrics::Kind::kGauge,
                                          .unit = "captures",
                                          .help = "Captures that run"};
inline constexpr metrics::Metric kBytes{.name = "tiltyard_captures_kept_bytes",
                                        .kind = metrics::Kind::kGauge,
                                        .unit = "bytes",
                                        .help = "Captured packets on disk"};
inline constexpr metrics::Metric kLost{.name = "tiltyard_captures_lost_packets_total",
                                       .kind = metrics::Kind::kCounter,
                                       .unit = "packets",
                                       .help =
                                           "Packets that captures did not keep, by where: kernel (not read in "
                                           "time), disk (not written), reader (who looked on was too slow)",
                                       .labels = {"where"}};

inline constexpr const metrics::Metric* kAll[] = {&kRunning, &kBytes, &kLost};

}  // namespace tiltyard::captures::measures
