#pragma once

#include "observe/metric.h"

namespace tiltyard::certificates::measures {

inline constexpr metrics::Metric kOrders{.name = "tiltyard_certificate_orders_total",
                                         .kind = metrics::Kind::kCounter,
                                         .unit = "orders",
                                         .help = "Orders of certificates that have ended, by how",
                                         .labels = {"outcome"}};

inline constexpr const metrics::Metric* kAll[] = {&kOrders};

}  // namespace tiltyard::certificates::measures
