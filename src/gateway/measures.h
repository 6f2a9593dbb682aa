#pragma once

#include "observe/metric.h"

namespace tiltyard::gateway::measures {

inline constexpr metrics::Metric kRequests{.name = "tiltyard_gateway_requests_total",
                                           .kind = metrics::Kind::kCounter,
                                           .unit = "requests",
                                           .help = "HTTP requests by the class of the answer's status",
                                           .labels = {"code"}};
inline constexpr metrics::Metric kBytes{.name = "tiltyard_gateway_bytes_total",
                                        .kind = metrics::Kind::kCounter,
                                        .unit = "bytes",
                                        .help = "Bytes passed on",
                                        .labels = {"direction"}};
inline constexpr metrics::Metric kHandshakes{
    .name = "tiltyard_gateway_handshakes_total",
    .kind = metrics::Kind::kCounter,
    .unit = "handshakes",
    .help = "Beginnings of TLS: whole ones, ones with a ticket, and those that came to nothing",
    .labels = {"kind"}};
inline constexpr metrics::Metric kUpstreamErrors{
    .name = "tiltyard_gateway_upstream_errors_total",
    .kind = metrics::Kind::kCounter,
    .unit = "connections",
    .help = "Machines that refused, broke off, were too slow or made no sense"};
inline constexpr metrics::Metric kConnectionsOpen{.name = "tiltyard_gateway_connections_open",
                                                  .kind = metrics::Kind::kGauge,
                                                  .unit = "connections",
                                                  .help = "Open connections of players"};
inline constexpr metrics::Metric kUdpFlows{.name = "tiltyard_gateway_udp_flows_open",
                                           .kind = metrics::Kind::kGauge,
                                           .unit = "flows",
                                           .help = "Clients of UDP endpoints that have lately been heard of"};
inline constexpr metrics::Metric kUdpPushedOut{.name = "tiltyard_gateway_udp_flows_pushed_out_total",
                                               .kind = metrics::Kind::kCounter,
                                               .unit = "flows",
                                               .help = "Clients of UDP endpoints that were forgotten for others"};
inline constexpr metrics::Metric kUdpDropped{.name = "tiltyard_gateway_udp_dropped_total",
                                             .kind = metrics::Kind::kCounter,
                                             .unit = "datagrams",
                                             .help = "Datagrams that went no further, by the reason",
                                             .labels = {"reason"}};
inline constexpr metrics::Metric kRoutes{
    .name = "tiltyard_gateway_routes", .kind = metrics::Kind::kGauge, .unit = "routes", .help = "Published routes"};

inline constexpr const metrics::Metric* kAll[] = {&kRequests,       &kHandshakes,      &kBytes,
                                                  &kUpstreamErrors, &kConnectionsOpen, &kRoutes,
                                                  &kUdpFlows,       &kUdpPushedOut,    &kUdpDropped};

}  // namespace tiltyard::gateway::measures
