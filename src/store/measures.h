#pragma once

#include "observe/metric.h"

namespace tiltyard::store::measures {

inline constexpr metrics::Metric kCommits{.name = "tiltyard_store_commits_total",
                                          .kind = metrics::Kind::kCounter,
                                          .unit = "commits",
                                          .help = "Commits of the store's writer"};
inline constexpr metrics::Metric kGroupSize{.name = "tiltyard_store_group_size",
                                            .kind = metrics::Kind::kHistogram,
                                            .unit = "writes",
                                            .help = "Writes that were committed together"};
inline constexpr metrics::Metric kQueue{.name = "tiltyard_store_queue",
                                        .kind = metrics::Kind::kGauge,
                                        .unit = "reads or writes",
                                        .help = "Work that waits for the store",
                                        .labels = {"kind"}};
inline constexpr metrics::Metric kReadSeconds{.name = "tiltyard_store_read_seconds",
                                              .kind = metrics::Kind::kHistogram,
                                              .unit = "seconds",
                                              .help = "From the moment a read is asked for to its answer"};
inline constexpr metrics::Metric kReconnects{.name = "tiltyard_store_reconnects_total",
                                             .kind = metrics::Kind::kCounter,
                                             .unit = "connections",
                                             .help = "Connections to the database that were lost and opened anew"};
inline constexpr metrics::Metric kWriteSeconds{.name = "tiltyard_store_write_seconds",
                                               .kind = metrics::Kind::kHistogram,
                                               .unit = "seconds",
                                               .help = "From the moment a write is asked for until it is on disk"};

inline constexpr const metrics::Metric* kAll[] = {&kCommits,     &kGroupSize,  &kQueue,
                                                  &kReadSeconds, &kReconnects, &kWriteSeconds};

}  // namespace tiltyard::store::measures
