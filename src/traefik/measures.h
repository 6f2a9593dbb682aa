#pragma once

#include "observe/metric.h"

namespace tiltyard::traefik::measures {

inline constexpr metrics::Metric kKeys{.name = "tiltyard_traefik_keys",
                                       .kind = metrics::Kind::kGauge,
                                       .unit = "keys",
                                       .help = "What Traefik's Redis is to have of us"};
inline constexpr metrics::Metric kBehind{.name = "tiltyard_traefik_behind_seconds",
                                         .kind = metrics::Kind::kGauge,
                                         .unit = "seconds",
                                         .help = "For how long Traefik's Redis has not had what it should"};
inline constexpr metrics::Metric kWrites{.name = "tiltyard_traefik_writes_total",
                                         .kind = metrics::Kind::kCounter,
                                         .unit = "transactions",
                                         .help = "Transactions to Traefik's Redis",
                                         .labels = {"result"}};

inline constexpr const metrics::Metric* kAll[] = {&kKeys, &kBehind, &kWrites};

}  // namespace tiltyard::traefik::measures
