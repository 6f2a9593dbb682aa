// Who runs jobs, and what becomes of the jobs of one that is gone.
#include <fmt/format.h>

#include <algorithm>

#include <soci/soci.h>

#include "jobs/firings.h"
#include "jobs/rows.h"

namespace tiltyard::jobs::rows {
namespace {

using soci::into;
using soci::use;

/// A job that ended its server may do so again: each time it waits longer.
constexpr Backoff kAfterCrash{std::chrono::seconds{1}, std::chrono::minutes{5}};
constexpr const char* kCrashed = "The server that ran it ended.";

struct Silent {
  long long worker = 0;
  std::string node;
};

std::vector<Silent> silent_workers(soci::session& sql, Worker worker, std::string_view node, std::int64_t now) {
  std::vector<Silent> out;
  const std::string name(node);
  const long long at = now;
  Silent row;
  soci::statement query =
      (sql.prepare
           << "SELECT worker, node FROM job_workers WHERE worker <> :me AND (seen_until < :now OR node = :node)",
       use(worker, "me"), use(at, "now"), use(name, "node"), into(row.worker), into(row.node));
  for (bool more = query.execute(true); more; more = query.fetch()) out.push_back(row);
  return out;
}

std::vector<Ended> orphans_of(soci::session& sql, Worker gone) {
  std::vector<Ended> out;
  Ended row;
  long long id = 0, due = 0, claimed = 0;
  soci::statement query = (sql.prepare << "SELECT id, kind, attempt, due, claimed_at FROM jobs WHERE claim = :gone",
                           use(gone, "gone"), into(id), into(row.kind), into(row.attempt), into(due), into(claimed));
  for (bool more = query.execute(true); more; more = query.fetch()) {
    row.id = id;
    row.due = due;
    row.started = std::max(due, claimed);
    out.push_back(row);
  }
  return out;
}

/// The first time at once: it is seldom the job that ended the server.
void give_back_one(soci::session& sql, Worker gone, Ended& job, std::int64_t now, int tries) {
  const bool dead = job.attempt >= tries;
  const std::int64_t pause = job.attempt > 1 ? delay_after(kAfterCrash, job.attempt - 1, 0.5).count() : 0;
  const long long id = job.id, due = pause > 0 ? now + pause : job.due;
  const int state = dead ? 1 : 0;
  job.finished = now;
  job.error = kCrashed;
  sql << "UPDATE jobs SET claim = 0, unsure = 1, state = :state, due = :due, error = :error WHERE id = :id AND claim = "
         ":gone",
      use(state, "state"), use(due, "due"), use(job.error, "error"), use(id, "id"), use(gone, "gone");
}

/// Whether it was still signed in: of several servers that find it silent, one gives its jobs back.
bool take_out(soci::session& sql, Worker gone) {
  soci::statement query = (sql.prepare << "DELETE FROM job_workers WHERE worker = :worker", use(gone, "worker"));
  query.execute(true);
  return query.get_affected_rows() == 1;
}

}  // namespace

bool hold(soci::session& sql, Worker worker) {
  long long found = 0;
  const bool shared = store::dialect_of(sql) == store::Dialect::kPostgresql;
  sql << std::string("SELECT worker FROM job_workers WHERE worker = :worker") + (shared ? " FOR SHARE" : ""),
      use(worker, "worker"), into(found);
  return sql.got_data();
}

void sign_in(soci::session& sql, Worker worker, std::string_view node, std::int64_t until) {
  const std::string name(node);
  const long long seen = until;
  sql << "INSERT INTO job_workers (worker, node, seen_until) VALUES (:worker, :node, :seen)", use(worker, "worker"),
      use(name, "node"), use(seen, "seen");
}

bool heartbeat(soci::session& sql, Worker worker, std::int64_t until) {
  const long long seen = until;
  soci::statement query = (sql.prepare << "UPDATE job_workers SET seen_until = :seen WHERE worker = :worker",
                           use(seen, "seen"), use(worker, "worker"));
  query.execute(true);
  return query.get_affected_rows() == 1;
}

void sign_out_if_idle(soci::session& sql, Worker worker) {
  sql << "DELETE FROM job_workers WHERE worker = :worker AND NOT EXISTS (SELECT 1 FROM jobs WHERE claim = :claim)",
      use(worker, "worker"), use(worker, "claim");
}

std::size_t give_back(soci::session& sql, Worker worker, std::string_view node, std::int64_t now,
                      const std::map<std::string, int>& tries) {
  std::size_t count = 0;
  for (const auto& [gone, where] : silent_workers(sql, worker, node, now)) {
    // First, and then its jobs: a claim that is under way holds the row (see `hold`), and is there once we are through.
    if (!take_out(sql, gone)) continue;
    auto orphans = orphans_of(sql, gone);
    for (auto& job : orphans) {
      const auto kind = tries.find(job.kind);
      give_back_one(sql, gone, job, now, kind == tries.end() ? 1'000'000 : kind->second);
    }
    write_firings(sql, where, orphans);
    count += orphans.size();
  }
  return count;
}

}  // namespace tiltyard::jobs::rows
