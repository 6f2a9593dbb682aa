#pragma once

#include "observe/metric.h"

namespace tiltyard::limits::measures {

inline constexpr metrics::Metric kDegraded{.name = "tiltyard_limits_degraded",
                                           .kind = metrics::Kind::kGauge,
                                           .unit = "1",
                                           .help = "1 while limits are counted in memory because Redis is away"};
inline constexpr metrics::Metric kRefused{.name = "tiltyard_rate_limited_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "requests",
                                          .help = "Requests refused by a rate limiter",
                                          .labels = {"limiter"}};

inline constexpr const metrics::Metric* kAll[] = {&kDegraded, &kRefused};

}  // namespace tiltyard::limits::measures
