// How jobs come into their table: one by one, and many at once at a fraction of the cost.
#include <fmt/format.h>
#include <soci/soci.h>

#include <algorithm>
#include <span>

#include "jobs/rows.h"

namespace tiltyard::jobs::rows {
namespace {

using soci::use;

/// A job without lane, key, bundle and schedule, as most are: half the columns to bind.
constexpr const char* kInsertPlain =
    "INSERT INTO jobs (id, kind, due, priority, payload, made_at) VALUES (:id, :kind, :due, :priority, :payload, "
    ":made)";
constexpr const char* kInsert =
    "INSERT INTO jobs (id, kind, due, priority, payload, made_at, lane, unique_key, bundle, schedule) "
    "VALUES (:id, :kind, :due, :priority, :payload, :made, :lane, :unique_key, :bundle, :schedule)";
/// On PostgreSQL a statement is a round trip, so many rows are one statement; each column is one array.
constexpr const char* kInsertArrays =
    "INSERT INTO jobs (id, kind, due, priority, payload, made_at, lane, unique_key, bundle, schedule) "
    "SELECT * FROM unnest(CAST(:id AS BIGINT[]), CAST(:kind AS TEXT[]), CAST(:due AS BIGINT[]), CAST(:priority AS "
    "INTEGER[]), CAST(:payload AS TEXT[]), "
    "CAST(:made AS BIGINT[]), CAST(:lane AS TEXT[]), CAST(:unique_key AS TEXT[]), CAST(:bundle AS TEXT[]), "
    "CAST(:schedule AS TEXT[]))";
/// Rows that are bound side by side: bounds the memory that they take a second time.
constexpr std::size_t kRowsAtOnce = 1'000;

bool is_plain(const Fresh& job) {
  return job.lane.empty() && job.unique.empty() && job.bundle.empty() && job.schedule.empty();
}

/// The columns of many jobs side by side, as SOCI takes them.
struct Columns {
  std::vector<long long> ids, dues, made;
  std::vector<int> priorities;
  std::vector<std::string> kinds, lanes, uniques, bundles, payloads, schedules;

  explicit Columns(std::span<const Fresh> jobs) {
    for (const auto& job : jobs) {
      ids.push_back(job.id);
      dues.push_back(job.due);
      made.push_back(job.made_at);
      priorities.push_back(job.priority);
      kinds.push_back(job.kind);
      lanes.push_back(job.lane);
      uniques.push_back(job.unique);
      bundles.push_back(job.bundle);
      payloads.push_back(job.payload);
      schedules.push_back(job.schedule);
    }
  }
};

template <class Number>
std::string array_of(const std::vector<Number>& numbers) {
  return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

/// As PostgreSQL reads an array's text (its manual, 8.15.6): every element in quotes, quotes and backslashes escaped.
std::string array_of(const std::vector<std::string>& texts) {
  std::string out = "{";
  for (const auto& text : texts) {
    out += out.size() > 1 ? ",\"" : "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

void insert_arrays(soci::session& sql, const Columns& all) {
  const auto ids = array_of(all.ids), dues = array_of(all.dues), made = array_of(all.made),
             priorities = array_of(all.priorities);
  const auto kinds = array_of(all.kinds), lanes = array_of(all.lanes), uniques = array_of(all.uniques),
             bundles = array_of(all.bundles);
  const auto payloads = array_of(all.payloads), schedules = array_of(all.schedules);
  sql << kInsertArrays, use(ids, "id"), use(kinds, "kind"), use(dues, "due"), use(priorities, "priority"),
      use(payloads, "payload"), use(made, "made"), use(lanes, "lane"), use(uniques, "unique_key"),
      use(bundles, "bundle"), use(schedules, "schedule");
}

void insert_many(soci::session& sql, std::span<const Fresh> jobs) {
  const Columns all(jobs);
  if (store::dialect_of(sql) == store::Dialect::kPostgresql) return insert_arrays(sql, all);
  if (std::ranges::all_of(jobs, is_plain)) {
    sql << kInsertPlain, use(all.ids, "id"), use(all.kinds, "kind"), use(all.dues, "due"),
        use(all.priorities, "priority"), use(all.payloads, "payload"), use(all.made, "made");
    return;
  }
  sql << kInsert, use(all.ids, "id"), use(all.kinds, "kind"), use(all.dues, "due"), use(all.priorities, "priority"),
      use(all.payloads, "payload"), use(all.made, "made"), use(all.lanes, "lane"), use(all.uniques, "unique_key"),
      use(all.bundles, "bundle"), use(all.schedules, "schedule");
}

}  // namespace

void insert_one(soci::session& sql, const Fresh& job) {
  const long long id = job.id, due = job.due, made = job.made_at;
  if (is_plain(job)) {
    sql << kInsertPlain, use(id, "id"), use(job.kind, "kind"), use(due, "due"), use(job.priority, "priority"),
        use(job.payload, "payload"), use(made, "made");
    return;
  }
  sql << kInsert, use(id, "id"), use(job.kind, "kind"), use(due, "due"), use(job.priority, "priority"),
      use(job.payload, "payload"), use(made, "made"), use(job.lane, "lane"), use(job.unique, "unique_key"),
      use(job.bundle, "bundle"), use(job.schedule, "schedule");
}

void insert(soci::session& sql, const std::vector<Fresh>& jobs) {
  if (jobs.size() == 1) return insert_one(sql, jobs.front());
  const std::span<const Fresh> all(jobs);
  for (std::size_t at = 0; at < all.size(); at += kRowsAtOnce)
    insert_many(sql, all.subspan(at, std::min(kRowsAtOnce, all.size() - at)));
}

}  // namespace tiltyard::jobs::rows
