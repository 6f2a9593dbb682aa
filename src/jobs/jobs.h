#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bus/bus.h"
#include "jobs/board.h"
#include "jobs/model.h"
#include "jobs/schedule.h"
#include "store/store.h"

/// Time is a job (rows 8.1 to 8.4): what is to happen later, again, or until it succeeds. See docs/jobs.md.
namespace tiltyard::jobs {

/// Numbers 600 to 649 of the schema.
std::vector<store::Migration> migrations();

struct Options {
  std::string node =
      "local";  ///< names this server in firings; what an earlier process of the same node held is given back at once
  std::chrono::milliseconds lease{15'000};  ///< how long a server may be silent before others take its jobs over
  std::chrono::milliseconds look_every{
      1'000};  ///< at the wall clock, which may be set; and, where servers share a database, for news that got lost
  std::chrono::milliseconds drain_for{2'000};  ///< what runs at shut-down may end by itself so long
  std::chrono::hours keep_firings{24 * 7};
  long long most_firings = 20'000;  ///< of each kind
};

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
};

/// Runs jobs. Kinds and schedules are declared before `start`. Lives on the home loop; `enqueue`, `cancel` and the
/// other calls that take a session belong to the store's threads, within a write.
class Service {
 public:
  Service(Options options, Parts parts);
  ~Service();

  void declare(Kind kind);
  /// A job of the kind that comes again and again; `name` tells those of one kind apart. An interval that is declared
  /// anew keeps its next time, a schedule that has changed begins anew.
  struct Recurring {
    std::string kind, name, payload;
    Schedule schedule;
    Keep keep = Keep::kDisk;
    std::optional<Duration> after_start = std::nullopt;  ///< fires that long after each start at the latest
  };
  void declare(Recurring recurring);
  /// A kind that is one poll and nothing else: one firing at a time, in memory, the first one at the start. Its handler
  /// may say with Next::again when it wants to look again, if `period` is not it.
  void declare_poll(Kind kind, std::chrono::milliseconds period);

  /// Gives back what earlier processes held, learns what waits, and begins to run it.
  asio::awaitable<Result<>> start();
  /// Drains: nothing new starts, what runs may end for `drain_for`, then it is cancelled and given back.
  asio::awaitable<void> close();

  /// Within the caller's transaction: the job is there if and only if the rest of the write is. `kind-unknown`,
  /// `jobs-full`.
  Result<JobId> enqueue(soci::session& sql, NewJob job);
  /// With a unique key: the job that is there afterwards.
  Result<JobId> enqueue(soci::session& sql, NewJob job, IfTaken if_taken);
  /// Many at once, at a fraction of the cost. None may have a unique key. The ids are in the order of the jobs.
  Result<std::vector<JobId>> enqueue_all(soci::session& sql, std::vector<NewJob> jobs);
  /// Whether a job waited (or was a dead letter) and is gone; one that runs is not touched.
  bool cancel(soci::session& sql, JobId id);
  bool cancel(soci::session& sql, const std::string& kind, const std::string& unique);
  /// All of a bundle that wait (dead letters too): how many. One statement, whatever the number.
  std::size_t cancel_bundle(soci::session& sql, const std::string& kind, const std::string& bundle);
  /// Moves all of a bundle that wait: a run that is resumed after a pause.
  std::size_t shift_bundle(soci::session& sql, const std::string& kind, const std::string& bundle, Duration by);

  /// The same in a transaction of their own.
  asio::awaitable<Result<JobId>> enqueue(NewJob job, IfTaken if_taken = IfTaken::kKeep);
  asio::awaitable<Result<std::vector<JobId>>> enqueue_all(std::vector<NewJob> jobs);

  /// Has the schedules of the kind that were declared with Keep::kMemory fire now (once, however often it is asked
  /// before they do). One that runs just now fires once more when it has ended.
  void poke(std::string_view kind);

  // What staff do (docs/jobs.md, "The board"). `job-unknown`, `job-running`, `kind-unknown`.
  asio::awaitable<Result<>> cancel(JobId id, bus::Actor actor);
  asio::awaitable<Result<>> retry(JobId id, bus::Actor actor);
  asio::awaitable<Result<>> run_now(JobId id, bus::Actor actor);
  asio::awaitable<Result<>> pause(std::string kind, bool paused, bus::Actor actor);

  std::vector<KindView> kinds() const;
  std::optional<KindView> kind(const std::string& name) const;
  /// Two hours of minutes, of one kind or (empty) of all together.
  std::vector<MinuteView> minutes(const std::string& kind) const;
  asio::awaitable<Result<JobPage>> list(JobFilter filter) const;
  asio::awaitable<Result<JobView>> find(JobId id) const;

  struct State;  ///< known only inside jobs/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::jobs
