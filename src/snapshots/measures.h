#pragma once

#include "observe/metric.h"

namespace tiltyard::snapshots::measures {

inline constexpr metrics::Metric kKept{.name = "tiltyard_snapshots",
                                       .kind = metrics::Kind::kGauge,
                                       .unit = "snapshots",
                                       .help = "Snapshots of instances that are kept"};
inline constexpr metrics::Metric kBytes{.name = "tiltyard_snapshots_bytes",
                                        .kind = metrics::Kind::kGauge,
                                        .unit = "bytes",
                                        .help = "What snapshots hold beside what their machines were made of"};
inline constexpr metrics::Metric kOrphans{.name = "tiltyard_snapshots_orphans_removed_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "images",
                                          .help = "Images of snapshots that no row knew, and that were removed"};

inline constexpr const metrics::Metric* kAll[] = {&kKept, &kBytes, &kOrphans};

}  // namespace tiltyard::snapshots::measures
