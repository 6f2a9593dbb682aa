#include "jobs/firings.h"

#include <boost/json.hpp>

#include <fmt/format.h>
#include <soci/soci.h>

#include <algorithm>
#include <limits>
#include <map>

#include "jobs/number.h"

namespace tiltyard::jobs {
namespace {

namespace json = boost::json;
using soci::into;
using soci::use;

/// So that one row stays a page of JSON, and reading one job's firings does not mean reading a day's.
constexpr std::size_t kMostInARow = 500;

struct Row {
  long long id = 0;
  std::string kind, node, body;
};

void write_row(soci::session& sql, const std::string& kind, std::string_view node,
               const std::vector<const rows::Ended*>& ended) {
  std::string body = "[";
  long long first = ended.front()->id, last = first, finished = 0;
  for (const auto* one : ended) {
    first = std::min<long long>(first, one->id);
    last = std::max<long long>(last, one->id);
    finished = std::max<long long>(finished, one->finished);
    fmt::format_to(std::back_inserter(body), "{}[{},{},{},{},{},", body.size() > 1 ? "," : "", one->id, one->due,
                   one->started - one->due, one->finished - one->started, one->attempt);
    body += one->error.empty() ? "\"\"" : json::serialize(json::string(one->error));
    body += ']';
  }
  body += ']';
  const std::string where(node);
  const long long id = next_number();
  const int count = static_cast<int>(ended.size());
  sql << "INSERT INTO job_firings (id, kind, node, first_job, last_job, finished_at, count, body) "
         "VALUES (:id, :kind, :node, :first, :last, :finished, :count, :body)",
      use(id, "id"), use(kind, "kind"), use(where, "node"), use(first, "first"), use(last, "last"),
      use(finished, "finished"), use(count, "count"), use(body, "body");
}

/// Newest first within a row, too.
void read_row(const Row& row, JobId only, std::vector<Record>& out) {
  boost::system::error_code error;
  const auto body = json::parse(row.body, error);
  if (error || !body.is_array()) return;
  for (std::size_t i = body.get_array().size(); i-- > 0;) {
    const auto& fields = body.get_array()[i].as_array();
    Record record;
    record.job = fields.at(0).as_int64();
    if (only != 0 && record.job != only) continue;
    record.kind = row.kind;
    record.node = row.node;
    record.due = from_micros(fields.at(1).as_int64());
    record.started = record.due + Duration{fields.at(2).as_int64()};
    record.finished = record.started + Duration{fields.at(3).as_int64()};
    record.attempt = static_cast<int>(fields.at(4).as_int64());
    record.error = std::string(fields.at(5).as_string());
    out.push_back(std::move(record));
  }
}

}  // namespace

void write_firings(soci::session& sql, std::string_view node, const std::vector<rows::Ended>& ended) {
  std::map<std::string_view, std::vector<const rows::Ended*>> by_kind;
  for (const auto& one : ended) {
    auto& row = by_kind[one.kind];
    row.push_back(&one);
    if (row.size() < kMostInARow) continue;
    write_row(sql, one.kind, node, row);
    row.clear();
  }
  for (const auto& [kind, row] : by_kind) {
    if (!row.empty()) write_row(sql, row.front()->kind, node, row);
  }
}

std::vector<Record> firings_of(soci::session& sql, JobId job, std::size_t most) {
  std::vector<Record> out;
  Row row;
  const long long id = job;
  soci::statement query =
      (sql.prepare << "SELECT id, kind, node, body FROM job_firings WHERE last_job >= :job AND first_job <= :same "
                      "ORDER BY id DESC",
       use(id, "job"), use(id, "same"), into(row.id), into(row.kind), into(row.node), into(row.body));
  for (bool more = query.execute(true); more && out.size() < most; more = query.fetch()) read_row(row, job, out);
  if (out.size() > most) out.resize(most);
  return out;
}

FiringsPage latest_firings(soci::session& sql, const std::string& kind, std::int64_t below_row, std::size_t most) {
  FiringsPage page;
  Row row;
  const long long below = below_row > 0 ? below_row : std::numeric_limits<long long>::max();
  soci::statement query = (sql.prepare << "SELECT id, kind, node, body FROM job_firings WHERE id < :below AND (kind = "
                                          ":kind OR :any = '') ORDER BY id DESC",
                           use(below, "below"), use(kind, "kind"), use(kind, "any"), into(row.id), into(row.kind),
                           into(row.node), into(row.body));
  bool more = query.execute(true);
  for (; more && page.records.size() < most; more = query.fetch()) {
    read_row(row, 0, page.records);
    page.next = row.id;
  }
  if (!more) page.next.reset();
  return page;
}

namespace rows {

/// `most_of_a_kind` counts firings, not rows.
std::size_t prune_firings(soci::session& sql, std::int64_t before, long long most_of_a_kind) {
  std::map<std::string, long long> seen, cut;
  {
    std::string kind;
    long long id = 0, finished = 0;
    int count = 0;
    soci::statement query = (sql.prepare << "SELECT id, kind, finished_at, count FROM job_firings ORDER BY id DESC",
                             into(id), into(kind), into(finished), into(count));
    for (bool more = query.execute(true); more; more = query.fetch()) {
      if (cut.contains(kind)) continue;
      auto& sum = seen[kind];
      if (finished < before || sum >= most_of_a_kind) cut[kind] = id;
      sum += count;
    }
  }
  std::size_t gone = 0;
  for (const auto& [kind, last] : cut) {
    soci::statement query = (sql.prepare << "DELETE FROM job_firings WHERE kind = :kind AND id <= :last",
                             use(kind, "kind"), use(last, "last"));
    query.execute(true);
    gone += static_cast<std::size_t>(std::max<long long>(query.get_affected_rows(), 0));
  }
  return gone;
}

}  // namespace rows
}  // namespace tiltyard::jobs
