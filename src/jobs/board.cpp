#include "jobs/board.h"

#include <algorithm>

#include <fmt/format.h>
#include <soci/soci.h>

namespace tiltyard::jobs {
namespace {

using soci::into;
using soci::use;

constexpr std::size_t kFiringsOfOne = 100;

std::string condition_of(JobState state) {
  switch (state) {
    case JobState::kWaiting:
      return "state = 0 AND claim = 0";
    case JobState::kRunning:
      return "state = 0 AND claim <> 0";
    case JobState::kFailed:
      return "state = 1";
    case JobState::kDone:
      break;
  }
  return "1 = 0";
}

std::vector<JobView> select(soci::session& sql, const std::string& where, const std::string& kind, JobId id,
                            std::size_t limit) {
  std::vector<JobView> out;
  JobView row;
  long long number = 0, due = 0, made = 0, claim = 0, claimed = 0;
  int state = 0, unsure = 0;
  const long long bound = id;
  soci::statement query(sql);
  query.exchange(into(number));
  query.exchange(into(row.kind));
  query.exchange(into(due));
  query.exchange(into(row.priority));
  query.exchange(into(row.lane));
  query.exchange(into(row.unique));
  query.exchange(into(row.bundle));
  query.exchange(into(row.payload));
  query.exchange(into(row.schedule));
  query.exchange(into(made));
  query.exchange(into(state));
  query.exchange(into(claim));
  query.exchange(into(claimed));
  query.exchange(into(row.attempt));
  query.exchange(into(unsure));
  query.exchange(into(row.error));
  query.exchange(into(row.node));
  if (!kind.empty()) query.exchange(use(kind, "kind"));
  query.exchange(use(bound, "id"));
  query.alloc();
  query.prepare(
      fmt::format("SELECT jobs.id, kind, due, priority, lane, unique_key, bundle, payload, schedule, made_at, state, "
                  "claim, claimed_at, attempt, "
                  "unsure, error, COALESCE(job_workers.node, '') FROM jobs LEFT JOIN job_workers ON job_workers.worker "
                  "= jobs.claim "
                  "WHERE {}{} LIMIT {}",
                  kind.empty() ? "" : "kind = :kind AND ", where, limit));
  query.define_and_bind();
  for (bool more = query.execute(true); more; more = query.fetch()) {
    row.id = number;
    row.due = from_micros(due);
    row.made_at = from_micros(made);
    row.state = state == 1 ? JobState::kFailed : claim != 0 ? JobState::kRunning : JobState::kWaiting;
    row.started.reset();
    if (claim != 0) row.started = from_micros(std::max(due, claimed));
    row.maybe_begun = unsure != 0;
    out.push_back(row);
  }
  return out;
}

JobView done_view(const Record& record) {
  JobView view;
  view.id = record.job;
  view.kind = record.kind;
  view.node = record.node;
  view.state = JobState::kDone;
  view.attempt = record.attempt;
  view.error = record.error;
  view.due = view.made_at = record.due;
  view.started = record.started;
  view.finished = record.finished;
  return view;
}

}  // namespace

JobPage read_jobs(soci::session& sql, const JobFilter& filter) {
  JobPage page;
  if (filter.state == JobState::kDone) {
    const auto firings = latest_firings(sql, filter.kind, filter.cursor, filter.limit);
    for (const auto& record : firings.records) page.jobs.push_back(done_view(record));
    page.next = firings.next;
    return page;
  }
  page.jobs = select(sql, condition_of(filter.state) + " AND jobs.id > :id ORDER BY jobs.id", filter.kind,
                     filter.cursor, filter.limit);
  if (page.jobs.size() == filter.limit) page.next = page.jobs.back().id;
  return page;
}

std::optional<JobView> read_job(soci::session& sql, JobId id) {
  auto found = select(sql, "jobs.id = :id", "", id, 1);
  auto firings = firings_of(sql, id, kFiringsOfOne);
  if (found.empty() && firings.empty()) return std::nullopt;
  auto job = found.empty() ? done_view(firings.front()) : std::move(found.front());
  job.firings = std::move(firings);
  return job;
}

}  // namespace tiltyard::jobs
