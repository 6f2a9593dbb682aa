#pragma once

#include "observe/metric.h"

namespace tiltyard::app::measures {

inline constexpr metrics::Metric kEngineUp{.name = "tiltyard_engine_up",
                                           .kind = metrics::Kind::kGauge,
                                           .unit = "1",
                                           .help = "Whether the engine answers",
                                           .labels = {"engine"}};

inline constexpr const metrics::Metric* kAll[] = {&kEngineUp};

}  // namespace tiltyard::app::measures
