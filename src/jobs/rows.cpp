#include "jobs/rows.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <algorithm>
#include <unordered_map>

#include "jobs/firings.h"
#include "jobs/jobs.h"

namespace tiltyard::jobs {

/// `moved`: it was put to another time while it ran, so it is not over when the handler is. A job that is live has
/// state 0; a dead letter 1. `claim` is the worker that runs it, 0: none. Empty texts instead of NULL: the partial
/// indexes leave them out, so that a plain job costs one index and no more.
std::vector<store::Migration> migrations() {
  return {
      {600, "jobs",
       "CREATE TABLE jobs (id BIGINT PRIMARY KEY, kind TEXT NOT NULL, due BIGINT NOT NULL, priority INTEGER NOT NULL, "
       "lane TEXT NOT NULL DEFAULT '', unique_key TEXT NOT NULL DEFAULT '', bundle TEXT NOT NULL DEFAULT '', payload "
       "TEXT NOT NULL, "
       "schedule TEXT NOT NULL DEFAULT '', made_at BIGINT NOT NULL, state INTEGER NOT NULL DEFAULT 0, claim BIGINT NOT "
       "NULL DEFAULT 0, "
       "claimed_at BIGINT NOT NULL DEFAULT 0, moved INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, "
       "unsure INTEGER NOT NULL DEFAULT 0, "
       "round BIGINT NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '');\n"
       "CREATE UNIQUE INDEX jobs_unique ON jobs (kind, unique_key) WHERE unique_key <> '' AND state = 0;\n"
       "CREATE INDEX jobs_lane ON jobs (kind, lane, id) WHERE lane <> '' AND state = 0;\n"
       "CREATE INDEX jobs_bundle ON jobs (bundle, kind) WHERE bundle <> '';\n"
       "CREATE INDEX jobs_dead ON jobs (kind, id) WHERE state = 1;\n"
       "CREATE TABLE job_workers (worker BIGINT PRIMARY KEY, node TEXT NOT NULL, seen_until BIGINT NOT NULL);\n"
       "CREATE TABLE job_kinds (kind TEXT PRIMARY KEY, paused_by TEXT NOT NULL, paused_at BIGINT NOT NULL);\n"
       "CREATE TABLE job_firings (id BIGINT PRIMARY KEY, kind TEXT NOT NULL, node TEXT NOT NULL, first_job BIGINT NOT "
       "NULL, "
       "last_job BIGINT NOT NULL, finished_at BIGINT NOT NULL, count INTEGER NOT NULL, body TEXT NOT NULL);\n"
       "CREATE INDEX job_firings_of ON job_firings (last_job, first_job)"}};
}

namespace rows {
namespace {

using soci::into;
using soci::use;

/// Our own numbers: they need no quoting, and a list of parameters would be prepared anew for each length all the same.
std::string list_of(const std::vector<JobId>& ids) { return fmt::format("{}", fmt::join(ids, ",")); }

std::size_t run(soci::statement&& statement) {
  statement.execute(true);
  return static_cast<std::size_t>(std::max<long long>(statement.get_affected_rows(), 0));
}

Brief read_brief(soci::session& sql, const std::string& where, std::vector<Brief>* out) {
  Brief row;
  long long id = 0, due = 0;
  soci::statement query =
      (sql.prepare << "SELECT id, kind, lane, bundle, due, priority FROM jobs WHERE claim = 0 AND state = 0 AND " +
                          where,
       into(id), into(row.kind), into(row.lane), into(row.bundle), into(due), into(row.priority));
  for (bool more = query.execute(true); more; more = query.fetch()) {
    row.id = id;
    row.due = due;
    out->push_back(row);
  }
  return row;
}

}  // namespace

Kept insert_unique(soci::session& sql, const Fresh& job, IfTaken if_taken) {
  Kept kept;
  long long id = 0, due = 0, claim = 0;
  std::string payload;
  sql << "SELECT id, due, claim, payload FROM jobs WHERE kind = :kind AND unique_key = :key AND state = 0",
      use(job.kind, "kind"), use(job.unique, "key"), into(id), into(due), into(claim), into(payload);
  if (!sql.got_data()) {
    insert_one(sql, job);
    return {job.id, job.due, true, false, false};
  }
  kept.id = id;
  kept.due = due;
  kept.running = claim != 0;
  if (if_taken == IfTaken::kKeep || (due == job.due && payload == job.payload)) return kept;
  kept.changed = true;
  const long long next = job.due;
  sql << "UPDATE jobs SET due = :due, payload = :payload, priority = :priority, schedule = :schedule, bundle = "
         ":bundle, "
         "moved = CASE WHEN claim = 0 THEN 0 ELSE 1 END, attempt = CASE WHEN claim = 0 THEN 0 ELSE attempt END WHERE "
         "id = :id",
      use(next, "due"), use(job.payload, "payload"), use(job.priority, "priority"), use(job.schedule, "schedule"),
      use(job.bundle, "bundle"), use(id, "id");
  kept.due = job.due;
  return kept;
}

void keep_schedule(soci::session& sql, const Fresh& job, bool soon) {
  long long id = 0;
  std::string schedule;
  sql << "SELECT id, schedule FROM jobs WHERE kind = :kind AND unique_key = :key AND state = 0", use(job.kind, "kind"),
      use(job.unique, "key"), into(id), into(schedule);
  if (!sql.got_data()) return insert_one(sql, job);
  sql << "UPDATE jobs SET payload = :payload, priority = :priority WHERE id = :id", use(job.payload, "payload"),
      use(job.priority, "priority"), use(id, "id");
  const long long due = job.due;
  if (schedule == job.schedule && soon)
    sql << "UPDATE jobs SET due = :due WHERE id = :id AND due > :later", use(due, "due"), use(id, "id"),
        use(due, "later");
  if (schedule == job.schedule) return;
  sql << "UPDATE jobs SET schedule = :schedule, due = :due WHERE id = :id", use(job.schedule, "schedule"),
      use(due, "due"), use(id, "id");
}

std::vector<Claimed> claim(soci::session& sql, Worker worker, const std::vector<JobId>& ids, bool laned,
                           std::int64_t until, std::int64_t now) {
  std::vector<Claimed> out;
  if (ids.empty()) return out;
  const auto free = fmt::format("id IN ({}) AND claim = 0 AND state = 0 AND due <= {}", list_of(ids), until);
  const std::string first = laned ? " AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.kind = jobs.kind AND "
                                    "earlier.lane = jobs.lane "
                                    "AND earlier.lane <> '' AND earlier.state = 0 AND earlier.id < jobs.id)"
                                  : "";
  // Several servers may reach for the same job at the same moment; what another one holds is left to it.
  const std::string skip = store::skip_locked(sql);
  const auto which =
      skip.empty() ? free + first : fmt::format("id IN (SELECT id FROM jobs WHERE {}{}{})", free, first, skip);
  long long id = 0, round = 0, due = 0;
  int unsure = 0;
  Claimed row;
  soci::statement query =
      (sql.prepare << fmt::format("UPDATE jobs SET claim = {}, claimed_at = {}, attempt = attempt + 1 WHERE {} "
                                  "RETURNING id, attempt, unsure, round, due, payload, schedule",
                                  worker, now, which),
       into(id), into(row.attempt), into(unsure), into(round), into(due), into(row.payload), into(row.schedule));
  for (bool more = query.execute(true); more; more = query.fetch()) {
    row.id = id;
    row.unsure = unsure != 0;
    row.round = round;
    row.due = due;
    out.push_back(row);
  }
  return out;
}

namespace {

/// Those of the ids that the worker holds, and when they are due.
struct Held {
  std::int64_t due = 0;
  bool moved = false;
};
std::unordered_map<JobId, Held> held(soci::session& sql, Worker worker, const std::vector<JobId>& ids) {
  std::unordered_map<JobId, Held> out;
  if (ids.empty()) return out;
  long long id = 0, due = 0;
  int moved = 0;
  soci::statement query = (sql.prepare << fmt::format("SELECT id, due, moved FROM jobs WHERE id IN ({}) AND claim = {}",
                                                      list_of(ids), worker),
                           into(id), into(due), into(moved));
  for (bool more = query.execute(true); more; more = query.fetch()) out.emplace(id, Held{due, moved != 0});
  return out;
}

/// A job that lives on: at the time that was reckoned, or at the one that somebody has set meanwhile.
void settle_one(soci::session& sql, Worker worker, const Ended& job, bool moved) {
  const long long id = job.id, due = job.next_due;
  const int unsure = job.unsure ? 1 : 0, state = job.end == End::kDead && !moved ? 1 : 0, back = job.counts ? 0 : 1;
  const std::string when = moved ? ", moved = 0" : fmt::format(", due = {}", due);
  if (moved || job.end == End::kNextRound) {
    sql << "UPDATE jobs SET claim = 0, attempt = 0, unsure = 0, round = round + 1, error = ''" + when +
               " WHERE id = :id AND claim = :worker",
        use(id, "id"), use(worker, "worker");
    return;
  }
  sql << "UPDATE jobs SET claim = 0, state = :state, attempt = attempt - :back, unsure = :unsure, error = :error" +
             when + " WHERE id = :id AND claim = :worker",
      use(state, "state"), use(back, "back"), use(unsure, "unsure"), use(job.error, "error"), use(id, "id"),
      use(worker, "worker");
}

bool is_over(const Ended& job) { return job.end == End::kDone || (job.end == End::kDead && !job.keep_dead); }

}  // namespace

/// Nearly all jobs are over when they have ended, and go with one statement; the others are looked at one by one.
Settled settle(soci::session& sql, Worker worker, std::string_view node, const std::vector<Ended>& ended) {
  Settled out;
  if (ended.empty()) return out;
  std::vector<JobId> over, others;
  for (const auto& job : ended) (is_over(job) ? over : others).push_back(job.id);
  std::size_t gone = 0;
  if (!over.empty())
    gone = run((sql.prepare << fmt::format("DELETE FROM jobs WHERE id IN ({}) AND claim = {} AND moved = 0",
                                           list_of(over), worker)));
  out.lost_count = over.size() - gone;
  if (gone < over.size()) others.insert(others.end(), over.begin(), over.end());
  const auto ours = held(sql, worker, others);
  for (const auto& job : ended) {
    const auto row = ours.find(job.id);
    const bool there = row != ours.end();
    if (!there && !is_over(job)) {
      out.lost.push_back(job.id);
      ++out.lost_count;
    }
    if (!there) continue;
    settle_one(sql, worker, job, row->second.moved);
    if (!row->second.moved) continue;
    out.moved.emplace_back(job.id, row->second.due);
    if (is_over(job)) --out.lost_count;
  }
  write_firings(sql, node, ended);
  return out;
}

void release(soci::session& sql, Worker worker, const std::vector<JobId>& ids) {
  if (!ids.empty())
    sql << fmt::format("UPDATE jobs SET claim = 0, attempt = attempt - 1 WHERE id IN ({}) AND claim = {}", list_of(ids),
                       worker);
}

std::vector<Brief> waiting_after(soci::session& sql, JobId after, int limit) {
  std::vector<Brief> out;
  read_brief(sql, fmt::format("id > {} ORDER BY id LIMIT {}", after, limit), &out);
  return out;
}

std::vector<Brief> waiting_between(soci::session& sql, JobId first, JobId last) {
  std::vector<Brief> out;
  read_brief(sql, fmt::format("id >= {} AND id <= {} ORDER BY id", first, last), &out);
  return out;
}

std::optional<Brief> waiting_one(soci::session& sql, JobId id) {
  auto found = waiting_between(sql, id, id);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

bool remove(soci::session& sql, JobId id) {
  return run((sql.prepare << "DELETE FROM jobs WHERE id = :id AND claim = 0", use(id, "id"))) == 1;
}

bool key_taken(soci::session& sql, const std::string& kind, const std::string& unique) {
  long long id = 0;
  sql << "SELECT id FROM jobs WHERE kind = :kind AND unique_key = :key AND unique_key <> '' AND state = 0",
      use(kind, "kind"), use(unique, "key"), into(id);
  return sql.got_data();
}

bool set_due(soci::session& sql, JobId id, std::int64_t due) {
  const long long at = due;
  return run((sql.prepare
                  << "UPDATE jobs SET due = :due, attempt = CASE WHEN state = 1 THEN 0 ELSE attempt END, state = 0 "
                     "WHERE id = :id AND claim = 0",
              use(at, "due"), use(id, "id"))) == 1;
}

std::size_t remove_bundle(soci::session& sql, const std::string& kind, const std::string& bundle) {
  return run((sql.prepare << "DELETE FROM jobs WHERE bundle = :bundle AND bundle <> '' AND kind = :kind AND claim = 0",
              use(bundle, "bundle"), use(kind, "kind")));
}

std::size_t shift_bundle(soci::session& sql, const std::string& kind, const std::string& bundle, std::int64_t by) {
  const long long micros = by;
  return run((sql.prepare << "UPDATE jobs SET due = due + :by WHERE bundle = :bundle AND bundle <> '' AND kind = :kind "
                             "AND claim = 0 AND state = 0",
              use(micros, "by"), use(bundle, "bundle"), use(kind, "kind")));
}

bool remove_unique(soci::session& sql, const std::string& kind, const std::string& unique, JobId& id) {
  long long found = 0;
  sql << "DELETE FROM jobs WHERE kind = :kind AND unique_key = :key AND unique_key <> '' AND state = 0 AND claim = 0 "
         "RETURNING id",
      use(kind, "kind"), use(unique, "key"), into(found);
  id = found;
  return sql.got_data();
}

std::vector<PausedKind> paused(soci::session& sql) {
  std::vector<PausedKind> out;
  PausedKind row;
  soci::statement query =
      (sql.prepare << "SELECT kind, paused_by FROM job_kinds ORDER BY kind", into(row.kind), into(row.by));
  for (bool more = query.execute(true); more; more = query.fetch()) out.push_back(row);
  return out;
}

void set_paused(soci::session& sql, const std::string& kind, bool paused, std::string_view by, std::int64_t now) {
  const std::string who(by);
  const long long at = now;
  sql << "DELETE FROM job_kinds WHERE kind = :kind", use(kind, "kind");
  if (paused)
    sql << "INSERT INTO job_kinds (kind, paused_by, paused_at) VALUES (:kind, :who, :at)", use(kind, "kind"),
        use(who, "who"), use(at, "at");
}

std::vector<DeadCount> dead_counts(soci::session& sql) {
  std::vector<DeadCount> out;
  DeadCount row;
  soci::statement query =
      (sql.prepare << "SELECT kind, COUNT(*) FROM jobs WHERE state = 1 GROUP BY kind", into(row.kind), into(row.count));
  for (bool more = query.execute(true); more; more = query.fetch()) out.push_back(row);
  return out;
}

}  // namespace rows
}  // namespace tiltyard::jobs
