// Claimed jobs: started at their moment, watched while they run, and what becomes of them.
#include <sodium.h>

#include <algorithm>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "jobs/measures.h"
#include "jobs/state.h"
#include "observe/log.h"

namespace tiltyard::jobs {
namespace {

/// How long a handler that was asked to stop may take to do so.
constexpr std::chrono::seconds kStopWithin{5};
/// An error as it is kept of a firing.
constexpr std::size_t kLongestError = 500;

std::int64_t millis(TimePoint time) { return to_micros(time) / 1000; }

double chance() { return static_cast<double>(randombytes_uniform(1 << 20)) / (1 << 20); }

std::string text_of(const Error& error) {
  std::string text = error.cause.empty() ? error.message : error.message + " (" + error.cause + ")";
  if (text.size() > kLongestError) text.resize(kLongestError);
  return text.empty() ? error.reason : text;
}

}  // namespace

const Service::State::Meters& Service::State::meters(const std::string& kind) {
  const auto found = meters_.find(kind);
  if (found != meters_.end()) return found->second;
  const auto count = [&](const char* outcome) { return metrics::counter(measures::kFirings, {kind, outcome}); };
  Meters made{count("done"), count("retried"), count("failed"),
              metrics::histogram(measures::kLateness,
                                 {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 10, 60}, {kind}),
              metrics::histogram(measures::kSeconds, {0.001, 0.01, 0.1, 1, 10, 60, 600}, {kind})};
  return meters_.emplace(kind, made).first->second;
}

void Service::State::arm(RunRef run) {
  const auto due = to_micros(run->firing.due);
  if (due <= now()) {
    begin(run);
    return;
  }
  const bool earliest = armed.empty() || due < armed.top().due;
  armed.push({due, std::move(run)});
  if (earliest) clock_changed.pulse();
}

/// Starts what is armed, and stops what has run for too long.
asio::awaitable<void> Service::State::clock_loop() {
  while (true) {
    start_due();
    check_deadlines();
    std::int64_t wait = Duration(options.look_every).count();
    if (!armed.empty()) wait = std::min(wait, armed.top().due - now());
    if (const auto next = deadlines.next()) wait = std::min(wait, *next * 1000 - now());
    if (wait > 0) co_await clock_changed.wait_for(std::chrono::microseconds{wait});
  }
}

void Service::State::start_due() {
  while (!armed.empty() && armed.top().due <= now()) {
    const auto run = armed.top().run;
    armed.pop();
    begin(run);
  }
}

void Service::State::begin(const RunRef& run) {
  Line& line = *run->line;
  const auto at = parts.clock.now();
  const auto late = at - run->firing.due;
  run->started = at;
  run->begun = true;
  if (run->id >= 0 && line.kind.missed == Missed::kSkip && late > line.kind.late_after) {
    auto skipped = Result<Next>(Next::done());
    finish(run, std::move(skipped), false);
    return;
  }
  line.stats.started(at, late);
  meters(line.kind.name).lateness.observe(std::chrono::duration<double>(late).count());
  if (run->id < 0) running.emplace(run->id, run);
  const auto deadline = at + line.kind.timeout;
  const auto next = deadlines.next();
  run->deadline = deadlines.add(millis(deadline) + 1, run->id);
  if (!next || millis(deadline) < *next) clock_changed.pulse();
  gate.spawn(parts.home, "job " + line.kind.name, handle(run));
}

void Service::State::check_deadlines() {
  std::vector<std::int64_t> passed;
  deadlines.advance(now() / 1000, passed);
  for (const auto id : passed) {
    const auto found = running.find(id);
    if (found == running.end()) continue;
    const auto run = found->second;
    if (!run->timed_out) {
      run->timed_out = true;
      run->deadline = deadlines.add(millis(parts.clock.now() + kStopWithin), id);
      stop(*run);
      continue;
    }
    // It does not listen. The job goes on without it; its place in the kind stays taken until it ends.
    log::error("jobs", "a handler does not stop", {{"kind", run->firing.kind}, {"job", id}});
    auto hung =
        Result<Next>(fail(Code::kTimeout, "job-hung", "The handler did not end in time, nor when it was asked to."));
    finish(run, std::move(hung), true);
    run->abandoned = true;
    ++run->line->running;
  }
}

/// A coroutine of its own, so that this one job can be stopped.
asio::awaitable<Result<Next>> Service::State::call(RunRef run) {
  const auto before = co_await failpoint("jobs.handler.before");
  if (!before) co_return fail(before.error());
  auto work = run->line->kind.handler(run->firing);
  co_return co_await asio::co_spawn(parts.home, std::move(work),
                                    asio::bind_cancellation_slot(run->stop.slot(), asio::use_awaitable));
}

asio::awaitable<void> Service::State::handle(RunRef run) {
  Result<Next> result = Next::done();
  bool unsure = false;
  try {
    result = co_await call(run);
  } catch (const boost::system::system_error& error) {
    unsure = true;
    result = fail(error.code() == boost::asio::error::operation_aborted ? Code::kCancelled : Code::kInternal,
                  "job-cut-off", "The handler was cut off.", error.what());
  } catch (const std::exception& error) {
    unsure = true;
    result = fail(Code::kInternal, "job-threw", "The handler failed in a way that nobody foresaw.", error.what());
  } catch (...) {
    unsure = true;
    result = fail(Code::kInternal, "job-threw", "The handler failed in a way that nobody foresaw.",
                  "an exception of an unknown type");
  }
  if (run->timed_out && !result) {
    unsure = true;
    result = fail(Code::kTimeout, "job-timeout",
                  fmt::format("The handler was stopped after {} ms.", run->line->kind.timeout.count()));
  }
  finish(run, std::move(result), unsure);
}

void Service::State::finish(const RunRef& run, Result<Next> result, bool unsure) {
  Line& line = *run->line;
  --line.running;
  news.pulse();
  if (run->abandoned) return;
  deadlines.remove(run->deadline);
  const auto at = parts.clock.now();
  const bool well = result && result->what != Next::What::kGiveUp;
  line.stats.ended(at, well);
  meters(line.kind.name).seconds.observe(std::chrono::duration<double>(at - run->started).count());
  running.erase(run->id);
  if (run->id < 0) {
    end_light(run, result);
    return;
  }
  rows::Ended ended;
  ended.started = to_micros(run->started);
  ended.finished = to_micros(at);
  ended.unsure = unsure;
  const auto& kind = line.kind;
  const bool skipped = kind.missed == Missed::kSkip && run->started - run->firing.due > kind.late_after;
  if (skipped)
    ended.error = fmt::format("Left out: {} s late.", (run->started - run->firing.due) / std::chrono::seconds{1});
  if (run->cancelled) {
    ended.end = rows::End::kDead;
    ended.keep_dead = false;
    ended.error = "Cancelled by staff.";
  } else if (!result && result.error().code == Code::kCancelled && draining) {
    ended.end = rows::End::kAgain;
    ended.counts = false;
    ended.next_due = to_micros(run->firing.due);
    ended.error = "Cut off by a shut-down.";
  } else if (!result) {
    ended.error = text_of(result.error());
    ended.end = run->firing.attempt < kind.tries ? rows::End::kRetry : rows::End::kDead;
    ended.next_due = ended.finished + delay_after(kind.backoff, run->firing.attempt, chance()).count();
  } else if (result->what == Next::What::kGiveUp) {
    ended.end = rows::End::kDead;
    ended.error = result->because;
  } else if (result->what == Next::What::kAgain) {
    ended.end = rows::End::kAgain;
    ended.counts = false;
    ended.next_due = ended.finished + result->after.count();
  }
  end(run, std::move(ended));
}

/// A schedule goes on whatever became of this firing: a dead letter would end it.
void Service::State::end(const RunRef& run, rows::Ended ended) {
  Line& line = *run->line;
  ended.id = run->id;
  ended.kind = line.kind.name;
  ended.attempt = run->firing.attempt;
  ended.due = to_micros(run->firing.due);
  ended.lane = run->lane;
  ended.bundle = run->bundle;
  ended.priority = run->priority;
  if (!line.kind.keep_dead) ended.keep_dead = false;
  const bool over = ended.end == rows::End::kDone || ended.end == rows::End::kDead;
  if (over && !run->schedule.empty()) {
    ended.end = rows::End::kNextRound;
    ended.next_due = next_round(*run);
  }
  const auto& count = meters(line.kind.name);
  (ended.error.empty() ? count.done : ended.end == rows::End::kDead ? count.failed : count.retried).add();
  if (ended.end == rows::End::kDone || ended.end == rows::End::kDead) lineup.leave_lane(line, run->lane, run->id);
  if (!ended.error.empty()) {
    log::warn("jobs", "a job did not go well",
              {{"kind", ended.kind}, {"job", ended.id}, {"attempt", ended.attempt}, {"error", ended.error}});
  }
  this->ended.push_back(std::move(ended));
}

std::int64_t Service::State::next_round(const Run& run) const {
  auto schedule = Schedule::parse(run.schedule);
  // A text that an older or newer server wrote and this one cannot read: looked at once a day rather than for ever.
  if (!schedule) return now() + Duration(std::chrono::hours{24}).count();
  return to_micros(schedule->after(run.firing.due, parts.clock.now(), run.line->kind.missed));
}

void Service::State::end_light(const RunRef& run, const Result<Next>& result) {
  auto& own = light.at(run->id);
  const auto at = parts.clock.now();
  auto due = own.recurring.schedule.after(run->firing.due, at, Missed::kOnce);
  const bool again = result && result->what == Next::What::kAgain;
  if (again) due = at + result->after;
  if (own.poked) due = at;
  own.poked = false;
  const auto& count = meters(run->firing.kind);
  (result ? count.done : count.retried).add();
  if (!result && result.error().code != Code::kCancelled) {
    log::warn("jobs", "a short poll failed",
              {{"kind", run->firing.kind}, {"reason", result.error().reason}, {"cause", result.error().cause}});
  }
  if (!draining) lineup.learn({run->id, run->line, to_micros(due), 0, run->line->kind.priority, 0, 0});
}

}  // namespace tiltyard::jobs
