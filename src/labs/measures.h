#pragma once

#include "observe/metric.h"

namespace tiltyard::labs::measures {

inline constexpr metrics::Metric kInstances{.name = "tiltyard_instances",
                                            .kind = metrics::Kind::kGauge,
                                            .unit = "instances",
                                            .help = "Live instances by state",
                                            .labels = {"state"}};
inline constexpr metrics::Metric kPoolReady{.name = "tiltyard_pool_ready",
                                            .kind = metrics::Kind::kGauge,
                                            .unit = "instances",
                                            .help = "Instances that wait for an owner",
                                            .labels = {"template"}};
inline constexpr metrics::Metric kPoolTarget{.name = "tiltyard_pool_target",
                                             .kind = metrics::Kind::kGauge,
                                             .unit = "instances",
                                             .help = "Instances that should wait for an owner",
                                             .labels = {"template"}};
inline constexpr metrics::Metric kPoolFailures{.name = "tiltyard_pool_failures_total",
                                               .kind = metrics::Kind::kCounter,
                                               .unit = "instances",
                                               .help = "Instances that could not be made for a pool",
                                               .labels = {"reason"}};
inline constexpr metrics::Metric kLifecycle{.name = "tiltyard_lifecycle_total",
                                            .kind = metrics::Kind::kCounter,
                                            .unit = "instances",
                                            .help = "Spawns, stops and failures",
                                            .labels = {"what"}};
inline constexpr metrics::Metric kOrphansRemoved{.name = "tiltyard_orphans_removed_total",
                                                 .kind = metrics::Kind::kCounter,
                                                 .unit = "resources",
                                                 .help = "Resources without a row that a sweep removed"};
inline constexpr metrics::Metric kClaimSeconds{.name = "tiltyard_claim_seconds",
                                               .kind = metrics::Kind::kHistogram,
                                               .unit = "seconds",
                                               .help = "From admission to a claimed instance that runs"};
inline constexpr metrics::Metric kSpawnSeconds{.name = "tiltyard_spawn_seconds",
                                               .kind = metrics::Kind::kHistogram,
                                               .unit = "seconds",
                                               .help = "From admission (or leaving the queue) to running"};
inline constexpr metrics::Metric kSpawnLimit{.name = "tiltyard_spawn_limit",
                                             .kind = metrics::Kind::kGauge,
                                             .unit = "spawns",
                                             .help = "Spawns at once, as learned, up to labs.spawns_at_once"};
inline constexpr metrics::Metric kEstimateError{
    .name = "tiltyard_queue_estimate_error_ratio",
    .kind = metrics::Kind::kHistogram,
    .unit = "1",
    .help = "How far the first estimate of who waited was from the truth, as a part of the truth"};
inline constexpr metrics::Metric kEstimateBias{
    .name = "tiltyard_queue_estimate_bias_ratio",
    .kind = metrics::Kind::kGauge,
    .unit = "1",
    .help = "Decaying mean of the error of queue estimates, with its sign: above 0, they are too long"};

inline constexpr const metrics::Metric* kAll[] = {&kInstances,  &kPoolReady,      &kPoolTarget,   &kPoolFailures,
                                                  &kLifecycle,  &kOrphansRemoved, &kClaimSeconds, &kSpawnSeconds,
                                                  &kSpawnLimit, &kEstimateError,  &kEstimateBias};

}  // namespace tiltyard::labs::measures
