#pragma once

#include "observe/metric.h"

namespace tiltyard::transfers::measures {

inline constexpr metrics::Metric kBytes{.name = "tiltyard_files_bytes_total",
                                        .kind = metrics::Kind::kCounter,
                                        .unit = "bytes",
                                        .help = "Of files, by which way they went: in to machines, out of them",
                                        .labels = {"way"}};

inline constexpr const metrics::Metric* kAll[] = {&kBytes};

}  // namespace tiltyard::transfers::measures
