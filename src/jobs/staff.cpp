// What staff see and do of jobs that wait, run and failed.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <soci/soci.h>

#include "bus/event_log.h"
#include "jobs/events.h"
#include "jobs/state.h"

namespace tiltyard::jobs {
namespace {

std::unexpected<Error> unknown_job() { return fail(Code::kNotFound, "job-unknown", "There is no such job any more."); }
std::unexpected<Error> runs() { return fail(Code::kConflict, "job-running", "The job is running just now."); }

/// What staff did, in the transaction that does it: to a job of the kind or, without an id, to the kind.
Result<> note(soci::session& sql, bus::KindRef what, const std::string& kind, JobId id, const bus::Actor& actor) {
  bus::Event event;
  event.kind = what;
  event.subject = id == 0 ? kind : std::to_string(id);
  event.actor = actor;
  if (id != 0) event.detail = boost::json::serialize(boost::json::object{{"kind", kind}});
  return bus::record(sql, event);
}

KindView view_of(const Line& line, TimePoint now) {
  KindView view;
  view.name = line.kind.name;
  view.about = line.kind.about;
  view.known = line.known;
  view.paused = line.paused;
  view.paused_by = line.paused_by;
  view.waiting = line.waiting;
  view.ready = line.ready.size();
  view.running = line.running;
  view.failed = line.dead;
  view.rate = line.stats.rate(now);
  const auto lateness = line.stats.recent(now);
  view.p50 = lateness.percentile(0.5);
  view.p90 = lateness.percentile(0.9);
  view.p99 = lateness.percentile(0.99);
  view.longest = lateness.longest();
  view.measured = lateness.count();
  view.tries = line.kind.tries;
  view.priority = line.kind.priority;
  view.at_once = line.kind.at_once;
  view.timeout = line.kind.timeout;
  return view;
}

}  // namespace

std::vector<KindView> Service::kinds() const {
  std::vector<KindView> out;
  for (const auto& [name, line] : state_->lineup.lines()) out.push_back(view_of(*line, state_->parts.clock.now()));
  return out;
}

std::optional<KindView> Service::kind(const std::string& name) const {
  const auto& lines = state_->lineup.lines();
  const auto found = lines.find(name);
  if (found == lines.end()) return std::nullopt;
  return view_of(*found->second, state_->parts.clock.now());
}

std::vector<MinuteView> Service::minutes(const std::string& kind) const {
  std::map<std::int64_t, std::pair<MinuteView, Lateness>> sums;
  for (const auto& [name, line] : state_->lineup.lines()) {
    if (!kind.empty() && name != kind) continue;
    for (const auto& minute : line->stats.minutes()) {
      auto& [view, lateness] = sums[minute.number];
      view.done += minute.done;
      view.errors += minute.errors;
      lateness.add(minute.lateness);
    }
  }
  std::vector<MinuteView> out;
  for (auto& [number, sum] : sums) {
    auto& [view, lateness] = sum;
    view.at = TimePoint{std::chrono::minutes{number}};
    view.started = lateness.count();
    view.p50 = lateness.percentile(0.5);
    view.p99 = lateness.percentile(0.99);
    view.longest = lateness.longest();
    out.push_back(view);
  }
  return out;
}

asio::awaitable<Result<JobPage>> Service::list(JobFilter filter) const {
  auto work = [filter = std::move(filter)](soci::session& sql) -> Result<JobPage> { return read_jobs(sql, filter); };
  co_return co_await state_->parts.store.read(std::move(work));
}

asio::awaitable<Result<JobView>> Service::find(JobId id) const {
  auto work = [id](soci::session& sql) -> Result<std::optional<JobView>> { return read_job(sql, id); };
  auto found = co_await state_->parts.store.read(std::move(work));
  if (!found) co_return fail(std::move(found.error()));
  if (!*found) co_return unknown_job();
  co_return std::move(**found);
}

namespace {

/// What a job was before staff laid hands on it.
struct Was {
  bool dead = false;
  std::string kind;
};

}  // namespace

asio::awaitable<Result<>> Service::cancel(JobId id, bus::Actor actor) {
  if (const auto run = state_->running.find(id); run != state_->running.end() && run->second->begun) {
    const auto held = run->second;
    auto tell = [id, actor, kind = held->line->kind.name](soci::session& sql) {
      return note(sql, events::kCancelled, kind, id, actor);
    };
    auto told = co_await state_->parts.store.write(std::move(tell));
    if (!told) co_return told;
    // Its handler may have ended meanwhile, and must not be asked any more.
    const auto still = state_->running.find(id);
    if (still == state_->running.end() || still->second != held) co_return Result<>{};
    held->cancelled = true;
    stop(*held);
    co_return Result<>{};
  }
  auto work = [this, id, actor](soci::session& sql) -> Result<Was> {
    const auto job = read_job(sql, id);
    if (!job || job->state == JobState::kDone) return unknown_job();
    // It would be back after the next start, to everybody's surprise.
    if (!job->schedule.empty())
      return fail(Code::kConflict, "job-scheduled", "A schedule is not cancelled; pause its kind.");
    if (!cancel(sql, id)) return runs();
    if (auto told = note(sql, events::kCancelled, job->kind, id, actor); !told) return fail(std::move(told.error()));
    return Was{job->state == JobState::kFailed, job->kind};
  };
  auto was = co_await state_->parts.store.write(std::move(work));
  if (!was) co_return fail(std::move(was.error()));
  if (was->dead) --state_->lineup.line(was->kind).dead;
  co_return Result<>{};
}

/// Also a dead letter's: it lives again, with all of its attempts before it.
asio::awaitable<Result<>> Service::run_now(JobId id, bus::Actor actor) {
  auto work = [id, actor, now = state_->now()](soci::session& sql) -> Result<Was> {
    const auto job = read_job(sql, id);
    if (!job || job->state == JobState::kDone) return unknown_job();
    const bool dead = job->state == JobState::kFailed;
    if (dead && rows::key_taken(sql, job->kind, job->unique)) {
      return fail(Code::kConflict, "job-running", "Another job of the same key lives already.");
    }
    if (!rows::set_due(sql, id, now)) return runs();
    tell(sql, "due", id);
    if (auto told = note(sql, dead ? events::kRetried : events::kHurried, job->kind, id, actor); !told)
      return fail(std::move(told.error()));
    return Was{dead, job->kind};
  };
  auto was = co_await state_->parts.store.write(std::move(work));
  if (!was) co_return fail(std::move(was.error()));
  if (was->dead) --state_->lineup.line(was->kind).dead;
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::retry(JobId id, bus::Actor actor) {
  auto job = co_await find(id);
  if (!job) co_return fail(std::move(job.error()));
  if (job->state != JobState::kFailed)
    co_return fail(Code::kConflict, "job-not-failed", "Only a job that has failed for good can be retried.");
  co_return co_await run_now(id, std::move(actor));
}

asio::awaitable<Result<>> Service::pause(std::string kind, bool paused, bus::Actor actor) {
  auto& lines = state_->lineup.lines();
  if (!lines.contains(kind)) co_return unknown_kind(kind);
  auto work = [kind, paused, actor, now = state_->now()](soci::session& sql) -> Result<> {
    rows::set_paused(sql, kind, paused, actor.name, now);
    tell_kind(sql, kind, paused, actor.name);
    return note(sql, paused ? events::kPaused : events::kResumed, kind, 0, actor);
  };
  auto written = co_await state_->parts.store.write(std::move(work));
  if (!written) co_return written;
  lines.at(kind)->paused = paused;
  lines.at(kind)->paused_by = paused ? actor.name : std::string();
  state_->news.pulse();
  co_return Result<>{};
}

}  // namespace tiltyard::jobs
