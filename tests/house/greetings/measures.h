#pragma once

#include "observe/metric.h"

namespace tiltyard::greetings::measures {

inline constexpr metrics::Metric kSaid{.name = "tiltyard_greetings_total",
                                       .kind = metrics::Kind::kCounter,
                                       .unit = "greetings",
                                       .help = "Greetings by whether they were counted",
                                       .labels = {"counted"}};

inline constexpr const metrics::Metric* kAll[] = {&kSaid};

}  // namespace tiltyard::greetings::measures
