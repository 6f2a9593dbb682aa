#pragma once

#include "observe/metric.h"

namespace tiltyard::templates::measures {

inline constexpr metrics::Metric kTemplates{.name = "tiltyard_templates",
                                            .kind = metrics::Kind::kGauge,
                                            .unit = "templates",
                                            .help = "Templates by state",
                                            .labels = {"state"}};

inline constexpr const metrics::Metric* kAll[] = {&kTemplates};

}  // namespace tiltyard::templates::measures
