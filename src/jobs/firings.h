#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "jobs/model.h"
#include "jobs/rows.h"

namespace tiltyard::jobs {

/// One attempt of one job, as it is kept.
struct Record {
  JobId job = 0;
  std::string kind, node;
  int attempt = 1;
  TimePoint due{}, started{}, finished{};
  std::string error;  ///< empty: it went well
};

/// Firings of one kind that ended together are one row: a list in JSON, of [job, due, started - due, finished -
/// started, attempt, error]. A row for each would cost more than the jobs themselves.
void write_firings(soci::session& sql, std::string_view node, const std::vector<rows::Ended>& ended);

/// The attempts of one job, the newest first.
std::vector<Record> firings_of(soci::session& sql, JobId job, std::size_t most);
/// The newest firings, of one kind or (empty) of all, from rows below `below_row` on (0: the newest). Whole rows: a
/// page may be a little longer than was asked for.
struct FiringsPage {
  std::vector<Record> records;
  std::optional<std::int64_t> next;  ///< `below_row` of the page after
};
FiringsPage latest_firings(soci::session& sql, const std::string& kind, std::int64_t below_row, std::size_t most);

}  // namespace tiltyard::jobs
