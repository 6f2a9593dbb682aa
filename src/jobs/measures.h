#pragma once

#include "observe/metric.h"

namespace tiltyard::jobs::measures {

inline constexpr metrics::Metric kJobs{.name = "tiltyard_jobs",
                                       .kind = metrics::Kind::kGauge,
                                       .unit = "jobs",
                                       .help = "Jobs by kind and state",
                                       .labels = {"kind", "state"}};
inline constexpr metrics::Metric kFirings{.name = "tiltyard_jobs_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "firings",
                                          .help = "Firings of jobs by how they ended",
                                          .labels = {"kind", "outcome"}};
inline constexpr metrics::Metric kLateness{.name = "tiltyard_jobs_lateness_seconds",
                                           .kind = metrics::Kind::kHistogram,
                                           .unit = "seconds",
                                           .help = "From the time a job was due to its start",
                                           .labels = {"kind"}};
inline constexpr metrics::Metric kSeconds{.name = "tiltyard_jobs_seconds",
                                          .kind = metrics::Kind::kHistogram,
                                          .unit = "seconds",
                                          .help = "How long handlers of jobs run",
                                          .labels = {"kind"}};

inline constexpr const metrics::Metric* kAll[] = {&kJobs, &kFirings, &kLateness, &kSeconds};

}  // namespace tiltyard::jobs::measures
