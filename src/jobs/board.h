#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "jobs/firings.h"
#include "jobs/model.h"

/// What the board shows (row 8.4).
namespace tiltyard::jobs {

struct KindView {
  std::string name, about;
  bool known = true;  ///< this server can run it
  bool paused = false;
  std::string paused_by;
  std::size_t waiting = 0;  ///< all that are to come
  std::size_t ready = 0;    ///< of these, what is due and waits for room
  std::size_t running = 0, failed = 0;
  double rate = 0;                          ///< firings a second, over the last minute
  Duration p50{}, p90{}, p99{}, longest{};  ///< lateness, of the last ten minutes
  std::uint64_t measured = 0;               ///< firings that these are of
  std::optional<TimePoint> next_due;
  int tries = 0, priority = 0;
  std::size_t at_once = 0;
  std::chrono::milliseconds timeout{};
};

struct MinuteView {
  TimePoint at{};
  std::uint64_t done = 0, errors = 0, started = 0;
  Duration p50{}, p99{}, longest{};
};

struct JobView {
  JobId id = 0;
  std::string kind, lane, unique, bundle, schedule, payload, error, node;
  JobState state = JobState::kWaiting;
  int priority = 0, attempt = 0;
  bool maybe_begun = false;
  TimePoint due{}, made_at{};
  std::optional<TimePoint> started, finished;
  std::vector<Record> firings;  ///< only where one job is asked for; the newest first
};

struct JobFilter {
  std::string kind;  ///< empty: all
  JobState state = JobState::kWaiting;
  std::int64_t cursor = 0;
  std::size_t limit = 100;
};

struct JobPage {
  std::vector<JobView> jobs;
  std::optional<std::int64_t> next;
};

JobPage read_jobs(soci::session& sql, const JobFilter& filter);
/// Also of a job that is gone, as long as its firings are kept. nullopt: never heard of.
std::optional<JobView> read_job(soci::session& sql, JobId id);

}  // namespace tiltyard::jobs
