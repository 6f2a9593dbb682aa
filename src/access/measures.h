#pragma once

#include "observe/metric.h"

namespace tiltyard::access::measures {

inline constexpr metrics::Metric kContacts{
    .name = "tiltyard_access_contacts_total",
    .kind = metrics::Kind::kCounter,
    .unit = "contacts",
    .help = "Contacts of players with endpoints that were written down, and that were not because there were too many",
    .labels = {"kept"}};

inline constexpr const metrics::Metric* kAll[] = {&kContacts};

}  // namespace tiltyard::access::measures
