#pragma once

#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "base/parallel.h"
#include "jobs/jobs.h"
#include "jobs/lineup.h"
#include "jobs/rows.h"
#include "observe/metrics.h"
#include "store/news.h"

namespace tiltyard::jobs {

/// What the store's threads may know of a kind: fixed once the service runs, but for the count.
struct Declared {
  explicit Declared(Kind k) : kind(std::move(k)) {}
  Kind kind;
  std::atomic<std::size_t> waiting = 0;
};

/// One claimed job: waiting for its very moment, running, or ending.
struct Run {
  JobId id = 0;
  Line* line = nullptr;
  Firing firing;
  std::string schedule;
  std::uint64_t lane = 0, bundle = 0;
  int priority = 0;
  TimePoint started{};
  bool begun = false;
  bool timed_out = false;          ///< it was asked to stop
  bool abandoned = false;          ///< it did not; its end is nobody's business any more, but its place is still taken
  bool cancelled = false;          ///< by staff
  asio::cancellation_signal stop;  ///< of the handler; on the home loop
  Timers::Handle deadline{};
};
using RunRef = std::shared_ptr<Run>;
/// Asks the handler to stop; on the home loop, and not from within the handler.
inline void stop(Run& run) { run.stop.emit(asio::cancellation_type::terminal); }

/// What was told to be gone while rows were being read. They may be of a moment before that, and must not bring it
/// back.
class Gone {
 public:
  /// Lives from before a read until its rows have been taken in.
  class Reading {
   public:
    explicit Reading(Gone& gone) : gone_(gone) { ++gone_.reads_; }
    ~Reading() {
      if (--gone_.reads_ > 0) return;
      gone_.jobs_.clear();
      gone_.bundles_.clear();
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

   private:
    Gone& gone_;
  };

  void note(JobId id) {
    if (reads_ > 0) jobs_.insert(id);
  }
  void note(const std::string& kind, std::uint64_t bundle) {
    if (reads_ > 0) bundles_.emplace(kind, bundle);
  }
  /// It is to run after all.
  void forget(JobId id) { jobs_.erase(id); }
  bool has(const rows::Brief& job) const {
    return jobs_.contains(job.id) || (!job.bundle.empty() && bundles_.contains({job.kind, number_of(job.bundle)}));
  }

 private:
  int reads_ = 0;
  std::unordered_set<JobId> jobs_;
  std::set<std::pair<std::string, std::uint64_t>> bundles_;
};

/// A schedule without a row.
struct Light {
  Service::Recurring recurring;
  bool poked = false;
};

/// Lives on the home loop.
struct Service::State : std::enable_shared_from_this<Service::State> {
  State(Options o, Parts p);

  std::int64_t now() const { return to_micros(parts.clock.now()); }
  bool alone() const { return parts.store.dialect() == store::Dialect::kSqlite; }

  // service.cpp
  asio::awaitable<Result<>> take_over();
  asio::awaitable<Result<>> load();
  TimePoint first_of(const Recurring& recurring) const;
  asio::awaitable<Result<>> write_schedules();
  void line_up_light();
  void declare_own();
  void count_kinds() const;
  asio::awaitable<Result<>> look();
  asio::awaitable<Result<>> prune();
  asio::awaitable<void> start_over();
  void lose_claims();

  // news.cpp
  void hear(const store::News& news);
  void learn(const rows::Brief& job, std::int64_t not_before = 0);
  void count_waiting();
  void learn_read(const rows::Brief& job, std::int64_t not_before = 0);
  asio::awaitable<Result<>> read_after(JobId after, std::chrono::milliseconds pause);
  asio::awaitable<void> read_between(JobId first, JobId last);
  asio::awaitable<void> read_again(std::vector<Waiting> refused);
  asio::awaitable<void> reload();

  // pump.cpp
  std::int64_t ahead() const;
  asio::awaitable<void> pump();
  asio::awaitable<void> write(std::vector<Waiting> taken);
  void claimed(const std::vector<Waiting>& taken, std::vector<rows::Claimed> got);
  void settled(const std::vector<rows::Ended>& ended, const rows::Settled& outcome);
  void go_on(const rows::Ended& job, std::int64_t due);

  // runner.cpp
  void arm(RunRef run);
  asio::awaitable<void> clock_loop();
  void start_due();
  void begin(const RunRef& run);
  void check_deadlines();
  asio::awaitable<void> handle(RunRef run);
  asio::awaitable<Result<Next>> call(RunRef run);
  void finish(const RunRef& run, Result<Next> result, bool unsure);
  void end(const RunRef& run, rows::Ended ended);
  void end_light(const RunRef& run, const Result<Next>& result);
  std::int64_t next_round(const Run& run) const;

  Options options;
  Parts parts;
  std::map<std::string, std::shared_ptr<Declared>, std::less<>> declared;
  std::vector<Recurring> recurring;
  std::map<JobId, Light> light;  ///< under numbers below zero

  Gate gate{"jobs"};
  Lineup lineup;
  Gone gone;
  Signal news;           ///< the pump may have something to do
  Signal clock_changed;  ///< an earlier start or deadline
  std::unique_ptr<store::Listener> listener;
  rows::Worker worker = 0;
  std::int64_t seen_until = 0;  ///< until when the others take us for alive
  int looks = 0;
  bool draining = false;

  std::unordered_map<JobId, RunRef> running;
  struct Armed {
    std::int64_t due;
    RunRef run;
    bool operator<(const Armed& other) const { return due > other.due; }
  };
  std::priority_queue<Armed> armed;
  Timers deadlines;
  std::vector<rows::Ended> ended;  ///< not on disk yet

  struct Meters {
    metrics::Counter done, retried, failed;
    metrics::Histogram lateness, seconds;
  };
  const Meters& meters(const std::string& kind);
  std::map<std::string, Meters, std::less<>> meters_;
};

std::unexpected<Error> unknown_kind(const std::string& kind);

/// What is told within a write, and heard after its commit by every server (the channel is "jobs").
inline constexpr const char* kChannel = "jobs";
void tell_new(soci::session& sql, const std::vector<rows::Fresh>& jobs);
void tell(soci::session& sql, std::string_view what, JobId id);
void tell_bundle(soci::session& sql, std::string_view what, const std::string& kind, const std::string& bundle,
                 std::int64_t by);
void tell_kind(soci::session& sql, const std::string& kind, bool paused, const std::string& by);

}  // namespace tiltyard::jobs
