#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace tiltyard::grants {

std::vector<store::Migration> migrations();

/// A grant as its row has it: what it is bound to, and a hash of what its user shows.
struct GrantRow {
  std::string hash, user, instance, machine, kind, right;
  TimePoint ends_at{};

  bool operator==(const GrantRow&) const = default;
};

/// The SQL of grants, within the caller's transaction.
namespace sql {

/// Those that nobody has used in time are forgotten.
void add_grant(soci::session& sql, const GrantRow& grant, TimePoint now);
/// At most one caller gets it, on whatever server.
std::optional<GrantRow> take_grant(soci::session& sql, const std::string& hash);

}  // namespace sql
}  // namespace tiltyard::grants
