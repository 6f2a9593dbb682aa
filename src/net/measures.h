#pragma once

#include "observe/metric.h"

namespace tiltyard::http::measures {

inline constexpr metrics::Metric kConnections{.name = "tiltyard_http_connections",
                                              .kind = metrics::Kind::kGauge,
                                              .unit = "connections",
                                              .help = "Open HTTP connections of the API"};
inline constexpr metrics::Metric kRequests{.name = "tiltyard_http_requests_total",
                                           .kind = metrics::Kind::kCounter,
                                           .unit = "requests",
                                           .help = "HTTP requests answered",
                                           .labels = {"method", "route", "status"}};
inline constexpr metrics::Metric kSeconds{.name = "tiltyard_http_seconds",
                                          .kind = metrics::Kind::kHistogram,
                                          .unit = "seconds",
                                          .help = "Time from a whole request to the head of its answer",
                                          .labels = {"route"}};

inline constexpr metrics::Metric kBuffered{
    .name = "tiltyard_http_buffered_bytes",
    .kind = metrics::Kind::kGauge,
    .unit = "bytes",
    .help = "Bytes of requests, answers and messages under way, beyond a piece of 16 KiB each"};
inline constexpr metrics::Metric kTurnedAway{
    .name = "tiltyard_http_turned_away_total",
    .kind = metrics::Kind::kCounter,
    .unit = "connections",
    .help =
        "Connections of the API that were not served: the address has its share, all places are taken, or no more "
        "descriptors are to be used for them",
    .labels = {"why"}};

inline constexpr const metrics::Metric* kAll[] = {&kBuffered, &kTurnedAway, &kConnections, &kRequests, &kSeconds};

}  // namespace tiltyard::http::measures
