#pragma once

#include "observe/metric.h"

namespace tiltyard::disk::measures {

inline constexpr metrics::Metric kFree{.name = "tiltyard_disk_free_bytes",
                                       .kind = metrics::Kind::kGauge,
                                       .unit = "bytes",
                                       .help = "The least that is free where machines or the server write"};
inline constexpr metrics::Metric kOver{.name = "tiltyard_disk_over_total",
                                       .kind = metrics::Kind::kCounter,
                                       .unit = "instances",
                                       .help = "Instances stopped for what they wrote to disk"};

inline constexpr const metrics::Metric* kAll[] = {&kFree, &kOver};

}  // namespace tiltyard::disk::measures
