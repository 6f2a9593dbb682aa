#pragma once

#include "observe/metric.h"

namespace tiltyard::farm::measures {

inline constexpr metrics::Metric kReceived{.name = "tiltyard_farm_received_total",
                                           .kind = metrics::Kind::kCounter,
                                           .unit = "flags",
                                           .help = "Flags that were reported to the farm",
                                           .labels = {"result"}};
inline constexpr metrics::Metric kVerdicts{.name = "tiltyard_farm_verdicts_total",
                                           .kind = metrics::Kind::kCounter,
                                           .unit = "flags",
                                           .help = "Verdicts of the jury",
                                           .labels = {"verdict"}};
inline constexpr metrics::Metric kFlags{.name = "tiltyard_farm_flags",
                                        .kind = metrics::Kind::kGauge,
                                        .unit = "flags",
                                        .help = "Flags of the farm by where they stand",
                                        .labels = {"status"}};
inline constexpr metrics::Metric kLateVerdicts{.name = "tiltyard_farm_late_verdicts_total",
                                               .kind = metrics::Kind::kCounter,
                                               .unit = "flags",
                                               .help = "Verdicts that came after their lease had ended"};
inline constexpr metrics::Metric kLeases{.name = "tiltyard_farm_leases_total",
                                         .kind = metrics::Kind::kCounter,
                                         .unit = "batches",
                                         .help = "Batches of flags that were handed out to senders"};
inline constexpr metrics::Metric kLimited{.name = "tiltyard_farm_limited_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "answers",
                                          .help = "Times that the jury said that there are too many requests"};
inline constexpr metrics::Metric kIngestSeconds{
    .name = "tiltyard_farm_ingest_seconds",
    .kind = metrics::Kind::kHistogram,
    .unit = "seconds",
    .help = "From a post's arrival in the farm until its flags are on disk"};
inline constexpr metrics::Metric kFirstHandOutSeconds{
    .name = "tiltyard_farm_first_hand_out_seconds",
    .kind = metrics::Kind::kHistogram,
    .unit = "seconds",
    .help = "From a flag's arrival until a sender has it for the first time"};
inline constexpr metrics::Metric kDecidedSeconds{.name = "tiltyard_farm_decided_seconds",
                                                 .kind = metrics::Kind::kHistogram,
                                                 .unit = "seconds",
                                                 .help = "From a flag's arrival until it is final"};
inline constexpr metrics::Metric kQueueAge{.name = "tiltyard_farm_queue_age_seconds",
                                           .kind = metrics::Kind::kGauge,
                                           .unit = "seconds",
                                           .help = "How long the oldest flag has been waiting for a sender"};
inline constexpr metrics::Metric kOpenLeases{.name = "tiltyard_farm_open_leases",
                                             .kind = metrics::Kind::kGauge,
                                             .unit = "batches",
                                             .help = "Batches that senders have now"};
inline constexpr metrics::Metric kRate{.name = "tiltyard_farm_rate_calls_per_second",
                                       .kind = metrics::Kind::kGauge,
                                       .unit = "calls a second",
                                       .help = "Calls to the jury that the shared limit allows; 0: no limit is known"};
inline constexpr metrics::Metric kLogWaiting{.name = "tiltyard_farm_log_waiting_bytes",
                                             .kind = metrics::Kind::kGauge,
                                             .unit = "bytes",
                                             .help = "What is not on disk yet"};
inline constexpr metrics::Metric kAttackDataStale{.name = "tiltyard_farm_attack_data_stale",
                                                  .kind = metrics::Kind::kGauge,
                                                  .unit = "1",
                                                  .help = "1 while the jury's attack data is too old"};

inline constexpr const metrics::Metric* kAll[] = {
    &kReceived,       &kVerdicts,       &kFlags,         &kLateVerdicts,
    &kLeases,         &kLimited,        &kIngestSeconds, &kFirstHandOutSeconds,
    &kDecidedSeconds, &kQueueAge,       &kOpenLeases,    &kRate,
    &kLogWaiting,     &kAttackDataStale};

}  // namespace tiltyard::farm::measures
