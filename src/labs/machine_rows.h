#pragma once

#include <vector>

#include "labs/model.h"

namespace soci {
class session;
}

namespace tiltyard::labs {

/// How each machine of a live instance is, in the transaction of whatever else changes; an ended one has none.
void keep_machines(soci::session& sql, const Instance& instance);
/// Lays the rows of machines beside those of their instances.
void add_machines(soci::session& sql, std::vector<Instance>& instances);

}  // namespace tiltyard::labs
