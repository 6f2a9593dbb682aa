#include "store/schema.h"

#include <fmt/core.h>
#include <soci/soci.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/clock.h"

namespace tiltyard::store {
namespace {

/// What a server of before finds, whose own numbers end far below: it says that the database is newer, and stops.
constexpr int kSinceSlices = 1'000'000;

struct Applied {
  std::string slice;
  int number = 0;
  std::string name;
};

std::string shown(const std::string& slice, int number, const std::string& name) {
  return fmt::format("{} {} (\"{}\")", slice, number, name);
}

std::unexpected<Error> newer(const std::string& which) {
  return fail(Code::kConflict, "schema-newer",
              fmt::format("The database has migration {}, which this server does not know. Start the newer server, or "
                          "restore a back-up from before its upgrade.",
                          which));
}

std::unexpected<Error> other(const std::string& theirs, const std::string& ours) {
  return fail(Code::kConflict, "schema-mismatch",
              fmt::format("The database's migration {} is \"{}\" in this server.", theirs, ours));
}

void note(soci::session& sql, const std::string& slice, int number, const std::string& name, long long at) {
  sql << "INSERT INTO schema_steps (slice, number, name, applied_at) VALUES (:slice, :number, :name, :at)",
      soci::use(slice, "slice"), soci::use(number, "number"), soci::use(name, "name"), soci::use(at, "at");
}

struct Former {
  int number = 0;
  std::string name;
  long long applied_at = 0;
};

std::vector<Former> read_former(soci::session& sql) {
  std::vector<Former> rows;
  Former row;
  soci::statement statement =
      (sql.prepare << "SELECT number, name, applied_at FROM schema_migrations WHERE number < :since",
       soci::use(kSinceSlices, "since"), soci::into(row.number), soci::into(row.name), soci::into(row.applied_at));
  statement.execute();
  while (statement.fetch()) rows.push_back(row);
  return rows;
}

/// Rows of before become steps of their slices.
Result<> take_over(soci::session& sql, const std::vector<Step>& known) {
  for (const Former& row : read_former(sql)) {
    const auto ours = std::ranges::find(known, row.number, [](const Step& step) { return step.migration.formerly; });
    const auto theirs = fmt::format("{} (\"{}\")", row.number, row.name);
    if (ours == known.end()) return newer(theirs);
    if (ours->migration.name != row.name) return other(theirs, ours->migration.name);
    note(sql, ours->slice, ours->number, row.name, row.applied_at);
  }
  const std::string name = "each part counts for itself: schema_steps";
  const long long now = to_micros(SystemClock().now());
  sql << "DELETE FROM schema_migrations WHERE number < :since", soci::use(kSinceSlices, "since");
  sql << "INSERT INTO schema_migrations (number, name, applied_at) VALUES (:since, :name, :now) ON CONFLICT (number) "
         "DO "
         "NOTHING",
      soci::use(kSinceSlices, "since"), soci::use(name, "name"), soci::use(now, "now");
  return {};
}

std::vector<Applied> read_applied(soci::session& sql) {
  std::vector<Applied> applied;
  Applied row;
  soci::statement statement = (sql.prepare << "SELECT slice, number, name FROM schema_steps ORDER BY slice, number",
                               soci::into(row.slice), soci::into(row.number), soci::into(row.name));
  statement.execute();
  while (statement.fetch()) applied.push_back(row);
  return applied;
}

/// Whether we know everything that the database has, under the same names.
Result<> compare(const std::vector<Applied>& applied, const std::vector<Step>& known) {
  for (const Applied& row : applied) {
    const auto ours = std::ranges::find_if(
        known, [&](const Step& step) { return step.slice == row.slice && step.number == row.number; });
    const auto theirs = shown(row.slice, row.number, row.name);
    if (ours == known.end()) return newer(theirs);
    if (ours->migration.name != row.name) return other(theirs, ours->migration.name);
  }
  return {};
}

Result<> check_slice(const Slice& slice) {
  int number = 0, former = 0;
  bool young = false;  // what never had a number of all is younger than those that had one
  for (const auto& one : slice.migrations) {
    ++number;
    const bool follows = one.formerly == 0 || (!young && one.formerly > former);
    if (!follows || one.name.empty() || slice.name.empty()) {
      return fail(Code::kInternal, "migration-invalid",
                  fmt::format("Migration {} has no name, or stands behind a younger one.",
                              shown(slice.name, number, one.name)));
    }
    young = one.formerly == 0;
    former = one.formerly;
  }
  return {};
}

}  // namespace

std::string Step::shown() const { return store::shown(slice, number, migration.name); }

Result<std::vector<Step>> in_order(const std::vector<Slice>& slices) {
  std::vector<Step> steps;
  std::set<std::string> names;
  std::set<int> formers;
  for (const Slice& slice : slices) {
    if (auto sound = check_slice(slice); !sound) return fail(std::move(sound.error()));
    if (!names.insert(slice.name).second) {
      return fail(Code::kInternal, "migration-invalid",
                  fmt::format("There are two lists of migrations of {}.", slice.name));
    }
    int number = 0;
    for (const Migration& one : slice.migrations) {
      ++number;
      if (one.formerly != 0 && !formers.insert(one.formerly).second) {
        return fail(Code::kInternal, "migration-invalid",
                    fmt::format("Two migrations were number {}; the second is of {}.", one.formerly, slice.name));
      }
      steps.push_back({slice.name, number, one});
    }
  }
  // Those of before were written for the order of their numbers.
  std::ranges::stable_sort(steps, [](const Step& a, const Step& b) {
    if (a.migration.formerly == 0 || b.migration.formerly == 0) return a.migration.formerly > b.migration.formerly;
    return a.migration.formerly < b.migration.formerly;
  });
  return steps;
}

Result<const Step*> next_missing(soci::session& sql, const std::vector<Step>& known) {
  if (auto taken = take_over(sql, known); !taken) return fail(std::move(taken.error()));
  const auto applied = read_applied(sql);
  if (auto same = compare(applied, known); !same) return fail(std::move(same.error()));
  for (const Step& step : known) {
    const auto has = [&](const Applied& row) { return row.slice == step.slice && row.number == step.number; };
    if (std::ranges::any_of(applied, has)) continue;
    for (const Applied& row : applied) {
      if (row.slice != step.slice || row.number < step.number) continue;
      return fail(Code::kConflict, "schema-mismatch",
                  fmt::format("The database has migration {} but lacks {}, which comes before it.",
                              shown(row.slice, row.number, row.name), step.shown()));
    }
    return &step;
  }
  return nullptr;
}

void note_applied(soci::session& sql, const Step& step) {
  note(sql, step.slice, step.number, step.migration.name, to_micros(SystemClock().now()));
}

Error failed_migration(const Step& step, Error cause) {
  if (cause.code != Code::kExhausted) cause.reason = "migration-failed";
  cause.message = fmt::format("Migration {} failed; the database is as before it. {}", step.shown(), cause.message);
  return cause;
}

}  // namespace tiltyard::store
