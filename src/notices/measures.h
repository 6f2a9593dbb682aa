#pragma once

#include "observe/metric.h"

namespace tiltyard::notices::measures {

inline constexpr metrics::Metric kNotices{.name = "tiltyard_notices_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "notices",
                                          .help = "Notices by what became of them",
                                          .labels = {"channel", "outcome"}};
inline constexpr metrics::Metric kWaiting{.name = "tiltyard_notices_waiting",
                                          .kind = metrics::Kind::kGauge,
                                          .unit = "notices",
                                          .help = "Notices that wait to be delivered",
                                          .labels = {"channel"}};

inline constexpr const metrics::Metric* kAll[] = {&kNotices, &kWaiting};

}  // namespace tiltyard::notices::measures
