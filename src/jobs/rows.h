#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "jobs/model.h"
#include "store/store.h"

namespace soci {
class session;
}

/// The tables of jobs, and every statement that changes them. The text runs on SQLite and on PostgreSQL.
namespace tiltyard::jobs::rows {

/// A server that runs jobs, as rows name it: a number that is new at every start, so that a job that an earlier process
/// holds can be told from ours. 0 is nobody.
using Worker = std::int64_t;

/// What memory has to know of a job that waits.
struct Brief {
  JobId id = 0;
  std::string kind, lane, bundle;
  std::int64_t due = 0;
  int priority = 0;
};

/// A job as it is written when it is made.
struct Fresh {
  JobId id = 0;
  std::string kind, payload, lane, unique, bundle, schedule;
  std::int64_t due = 0, made_at = 0;
  int priority = 0;
};

void insert(soci::session& sql, const std::vector<Fresh>& jobs);
void insert_one(soci::session& sql, const Fresh& job);
/// A schedule that is declared: one that has changed begins anew, the same one keeps its next time (`soon`: unless the
/// new one is earlier).
void keep_schedule(soci::session& sql, const Fresh& job, bool soon);
/// One with a unique key. The id and due time of the job that is there afterwards, and whether it is the new one. A job
/// that runs is never changed: with kReplace, its next firing is (`due` of the row).
struct Kept {
  JobId id = 0;
  std::int64_t due = 0;
  bool fresh = false, running = false, changed = false;
};
Kept insert_unique(soci::session& sql, const Fresh& job, IfTaken if_taken);

/// A claim that succeeded: what the handler needs.
struct Claimed {
  JobId id = 0;
  int attempt = 0;
  bool unsure = false;
  long long round = 0;
  std::int64_t due = 0;
  std::string payload, schedule;
};
/// Gives those of the jobs to the worker that are free and due by `until`. `laned`: only where no earlier job of the
/// lane lives.
std::vector<Claimed> claim(soci::session& sql, Worker worker, const std::vector<JobId>& ids, bool laned,
                           std::int64_t until, std::int64_t now);

enum class End { kDone, kAgain, kRetry, kDead, kNextRound };
/// How a firing ended, and what becomes of the job.
struct Ended {
  JobId id = 0;
  std::string kind;
  End end = End::kDone;
  bool counts = true;   ///< the attempt does
  bool unsure = false;  ///< nobody knows how far the handler came
  bool keep_dead = true;
  int attempt = 1;
  std::int64_t due = 0, started = 0, finished = 0, next_due = 0;
  std::string error;
  // What memory needs to go on with it.
  std::uint64_t lane = 0, bundle = 0;
  int priority = 0;
};
/// Writes the ends down, of jobs that the worker still holds, and their firings.
struct Settled {
  std::vector<JobId> lost;     ///< of those that were to live on: somebody else's now
  std::size_t lost_count = 0;  ///< of all
  std::vector<std::pair<JobId, std::int64_t>>
      moved;  ///< got another time while they ran: they live on, whatever their end
};
Settled settle(soci::session& sql, Worker worker, std::string_view node, const std::vector<Ended>& ended);

/// Signs the worker in until `until` (microseconds; a server alone with its database: for ever).
void sign_in(soci::session& sql, Worker worker, std::string_view node, std::int64_t until);
/// Whether the worker is still signed in; it now is until `until`.
bool heartbeat(soci::session& sql, Worker worker, std::int64_t until);
/// Whether the worker is signed in, and stays so until this transaction ends: what it claims here will not be
/// overlooked by who gives its jobs back.
bool hold(soci::session& sql, Worker worker);
/// Unless it still holds a job: then the next start of the node, or the end of its lease, gives that back.
void sign_out_if_idle(soci::session& sql, Worker worker);
/// Signs out whoever has not been heard of until `now` and earlier workers of this node, and gives their jobs back: to
/// be tried again later, or as dead letters where that was the last of the attempts (`tries`, by kind). A handler will
/// be told that an earlier attempt may have begun. How many jobs.
std::size_t give_back(soci::session& sql, Worker worker, std::string_view node, std::int64_t now,
                      const std::map<std::string, int>& tries);
/// Takes an attempt that never began out of the count.
void release(soci::session& sql, Worker worker, const std::vector<JobId>& ids);

/// Free jobs with an id above `after`, by id; for the look at the start and for what other servers have made.
std::vector<Brief> waiting_after(soci::session& sql, JobId after, int limit);
std::vector<Brief> waiting_between(soci::session& sql, JobId first, JobId last);
std::optional<Brief> waiting_one(soci::session& sql, JobId id);

/// Removes a job that waits or is a dead letter.
bool remove(soci::session& sql, JobId id);
/// Whether a live job has this key.
bool key_taken(soci::session& sql, const std::string& kind, const std::string& unique);
/// Puts a job that waits or is a dead letter to another time; a dead letter lives again, with all attempts before it.
bool set_due(soci::session& sql, JobId id, std::int64_t due);
std::size_t remove_bundle(soci::session& sql, const std::string& kind, const std::string& bundle);
std::size_t shift_bundle(soci::session& sql, const std::string& kind, const std::string& bundle, std::int64_t by);
bool remove_unique(soci::session& sql, const std::string& kind, const std::string& unique, JobId& id);

struct PausedKind {
  std::string kind, by;
};
std::vector<PausedKind> paused(soci::session& sql);
void set_paused(soci::session& sql, const std::string& kind, bool paused, std::string_view by, std::int64_t now);
struct DeadCount {
  std::string kind;
  long long count = 0;
};
std::vector<DeadCount> dead_counts(soci::session& sql);

/// Removes firings that ended before `before`, and the oldest of a kind beyond `most_of_a_kind`. How many rows went.
std::size_t prune_firings(soci::session& sql, std::int64_t before, long long most_of_a_kind);

}  // namespace tiltyard::jobs::rows
