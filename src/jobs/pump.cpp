// From what waits to what runs, and from what has ended to disk: one write at a time carries both.
#include <boost/asio/steady_timer.hpp>

#include <algorithm>

#include "base/failpoint.h"
#include "jobs/state.h"
#include "observe/log.h"

namespace tiltyard::jobs {
namespace {

/// Jobs are claimed, on disk, so long before they are due, so that they start at their time and not a commit later. A
/// database of its own answers within a few milliseconds, but not always.
constexpr std::int64_t kAheadAlone = 20'000, kAheadShared = 40'000;
/// Bounds how long one write holds the store.
constexpr std::size_t kMostAtOnce = 2'000;
constexpr std::chrono::milliseconds kAfterTrouble{250};
/// A turn of the loop is always given to others.
constexpr std::int64_t kShortest = 100;

struct Written {
  bool alive = true;
  rows::Settled settled;
  std::vector<rows::Claimed> claimed;
};

}  // namespace

std::int64_t Service::State::ahead() const { return alone() ? kAheadAlone : kAheadShared; }

asio::awaitable<void> Service::State::pump() {
  while (true) {
    const auto at = now();
    lineup.advance(at + ahead());
    std::vector<Waiting> taken;
    if (!draining) taken = lineup.take(at + ahead(), kMostAtOnce);
    std::erase_if(taken, [this](const Waiting& job) {
      if (job.id >= 0) return false;
      auto run = std::make_shared<Run>();
      run->id = job.id;
      run->line = job.line;
      run->firing = {job.id, job.line->kind.name, light.at(job.id).recurring.payload, {}, 1, false,
                     false,  from_micros(job.due)};
      arm(std::move(run));
      return true;
    });
    count_waiting();
    if (taken.empty() && ended.empty()) {
      auto next = lineup.next(now());
      if (draining) next.reset();
      const std::int64_t longest = Duration(options.look_every).count();
      const auto wait = next ? std::clamp<std::int64_t>(*next - ahead() - now(), kShortest, longest) : longest;
      co_await news.wait_for(std::chrono::microseconds{wait});
      continue;
    }
    co_await write(std::move(taken));
  }
}

asio::awaitable<void> Service::State::write(std::vector<Waiting> taken) {
  auto batch = std::exchange(ended, {});
  std::vector<JobId> plain, laned;
  for (const auto& job : taken) (job.lane == 0 ? plain : laned).push_back(job.id);
  const auto at = now(), until = at + ahead();
  auto work = [batch, plain = std::move(plain), laned = std::move(laned), at, until, me = worker,
               node = options.node](soci::session& sql) -> Result<Written> {
    Written out;
    out.settled = rows::settle(sql, me, node, batch);
    out.alive = plain.empty() && laned.empty() ? true : rows::hold(sql, me);
    if (!out.alive) return out;
    out.claimed = rows::claim(sql, me, plain, false, until, at);
    auto more = rows::claim(sql, me, laned, true, until, at);
    std::ranges::move(more, std::back_inserter(out.claimed));
    return out;
  };
  co_await failpoint("jobs.write.before");
  auto written = co_await parts.store.write(std::move(work), store::Order::kLoose);
  co_await failpoint("jobs.write.after");
  if (written) {
    settled(batch, written->settled);
    claimed(taken, std::move(written->claimed));
    if (!written->alive) co_await start_over();
    co_return;
  }
  log::warn("jobs", "jobs could not be claimed or settled; tried again",
            {{"reason", written.error().reason}, {"cause", written.error().cause}});
  std::ranges::move(ended, std::back_inserter(batch));
  ended = std::move(batch);
  for (const auto& job : taken) {
    --job.line->running;
    lineup.learn(job);
  }
  co_await sleep_for(kAfterTrouble);
}

void Service::State::claimed(const std::vector<Waiting>& taken, std::vector<rows::Claimed> got) {
  std::unordered_map<JobId, rows::Claimed*> by_id;
  for (auto& one : got) by_id.emplace(one.id, &one);
  std::vector<Waiting> refused;
  for (const auto& job : taken) {
    const auto found = by_id.find(job.id);
    if (found == by_id.end()) {
      --job.line->running;
      refused.push_back(job);
      continue;
    }
    rows::Claimed& row = *found->second;
    auto run = std::make_shared<Run>();
    run->id = job.id;
    run->line = job.line;
    run->lane = job.lane;
    run->bundle = job.bundle;
    run->priority = job.priority;
    run->schedule = std::move(row.schedule);
    const bool last = row.attempt >= job.line->kind.tries;
    run->firing = {row.id,
                   job.line->kind.name,
                   std::move(row.payload),
                   "job-" + std::to_string(row.id) + "-" + std::to_string(row.round),
                   row.attempt,
                   last,
                   row.unsure,
                   from_micros(row.due)};
    running.emplace(run->id, run);
    arm(std::move(run));
  }
  // Cancelled, moved, or another server's: the row says which.
  if (!refused.empty()) gate.spawn(parts.home, "read again", read_again(std::move(refused)));
}

void Service::State::settled(const std::vector<rows::Ended>& batch, const rows::Settled& outcome) {
  std::unordered_map<JobId, std::int64_t> moved(outcome.moved.begin(), outcome.moved.end());
  for (const auto id : outcome.lost) moved.emplace(id, -1);
  if (outcome.lost_count > 0) {
    log::warn("jobs",
              "jobs ended after they had been given to another server; their handlers there were told that this can be",
              {{"jobs", outcome.lost_count}});
  }
  for (const auto& job : batch) {
    const auto other = moved.find(job.id);
    if (other != moved.end() && other->second < 0) continue;
    if (other != moved.end()) go_on(job, other->second);
    else if (job.end == rows::End::kDead && job.keep_dead) ++lineup.line(job.kind).dead;
    else if (job.end != rows::End::kDone && job.end != rows::End::kDead) go_on(job, job.next_due);
  }
}

void Service::State::go_on(const rows::Ended& job, std::int64_t due) {
  Line& line = lineup.line(job.kind);
  lineup.learn({job.id, &line, due, 0, job.priority, job.lane, job.bundle});
}

}  // namespace tiltyard::jobs
