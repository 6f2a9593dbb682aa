// What writes tell, on this server and on others, and how memory follows.
#include <boost/json.hpp>

#include <soci/soci.h>

#include <algorithm>

#include "base/failpoint.h"
#include "jobs/number.h"
#include "jobs/state.h"
#include "observe/log.h"

namespace tiltyard::jobs {
namespace {

namespace json = boost::json;

/// What the loop takes in without a pause.
constexpr int kRowsAtOnce = 2'000;
/// How long after a claim was refused the row is tried again, if it still looks free (an earlier one of its lane lives
/// elsewhere).
constexpr std::int64_t kRefusedPause = 1'000'000;

void say(soci::session& sql, const json::array& news) { store::notify(sql, kChannel, json::serialize(news)); }

/// Jobs that differ in nothing but their number and payload are told of in one line.
bool alike(const std::vector<rows::Fresh>& jobs) {
  const auto& first = jobs.front();
  return std::ranges::all_of(jobs, [&](const rows::Fresh& job) {
    return job.kind == first.kind && job.due == first.due && job.priority == first.priority && job.lane.empty() &&
           job.bundle == first.bundle;
  });
}

}  // namespace

void tell_new(soci::session& sql, const std::vector<rows::Fresh>& jobs) {
  const auto& first = jobs.front();
  if (alike(jobs)) say(sql, {"new", first.kind, first.due, first.priority, first.bundle, first.id, jobs.size()});
  else say(sql, {"look", first.id, jobs.back().id});
}

void tell(soci::session& sql, std::string_view what, JobId id) { say(sql, {what, id}); }

void tell_bundle(soci::session& sql, std::string_view what, const std::string& kind, const std::string& bundle,
                 std::int64_t by) {
  say(sql, {what, kind, bundle, by});
}

void tell_kind(soci::session& sql, const std::string& kind, bool paused, const std::string& by) {
  say(sql, {"kind", kind, paused, by});
}

void Service::State::hear(const store::News& news) {
  if (news.missed) {
    gate.spawn(parts.home, "reload", reload());
    return;
  }
  boost::system::error_code error;
  const auto value = json::parse(news.payload, error);
  if (error || !value.is_array() || value.get_array().empty()) return;
  const auto& said = value.get_array();
  const std::string_view what = said[0].as_string();
  const auto text = [&](std::size_t place) { return std::string(said.at(place).as_string()); };
  const auto number = [&](std::size_t place) { return said.at(place).to_number<std::int64_t>(); };
  if (what == "new") {
    rows::Brief job{0, text(1), {}, text(4), number(2), static_cast<int>(number(3))};
    for (std::int64_t i = 0; i < number(6); ++i) {
      job.id = number(5) + i * kNumberStep;
      learn(job);
    }
  } else if (what == "look") {
    gate.spawn(parts.home, "read new jobs", read_between(number(1), number(2)));
  } else if (what == "due") {
    gone.forget(number(1));
    gate.spawn(parts.home, "read a job", read_between(number(1), number(1)));
  } else if (what == "gone") {
    gone.note(number(1));
    lineup.forget(number(1));
  } else if (what == "kind") {
    auto& line = lineup.line(text(1));
    line.paused = said.at(2).as_bool();
    line.paused_by = text(3);
  } else if (what == "gone-bundle" || what == "shift") {
    auto& line = lineup.line(text(1));
    if (what == "gone-bundle") gone.note(text(1), number_of(text(2)));
    for (const auto id : lineup.of_bundle(line, number_of(text(2)))) {
      auto job = *lineup.find(id);
      job.due += number(3);
      if (what == "shift") lineup.learn(job);
      else lineup.forget(id);
    }
  }
  this->news.pulse();
}

void Service::State::learn(const rows::Brief& job, std::int64_t not_before) {
  // Of what runs here, memory knows more than the row.
  if (running.contains(job.id)) return;
  auto& line = lineup.line(job.kind);
  lineup.learn({job.id, &line, job.due, not_before, job.priority, number_of(job.lane), number_of(job.bundle)});
}

void Service::State::learn_read(const rows::Brief& job, std::int64_t not_before) {
  if (!gone.has(job)) learn(job, not_before);
}

/// So that the store's threads can refuse what is too much.
void Service::State::count_waiting() {
  for (const auto& [name, kind] : declared) kind->waiting = lineup.line(name).waiting;
}

asio::awaitable<void> Service::State::read_between(JobId first, JobId last) {
  auto work = [first, last](soci::session& sql) -> Result<std::vector<rows::Brief>> {
    return rows::waiting_between(sql, first, last);
  };
  const Gone::Reading reading(gone);
  auto found = co_await parts.store.read(std::move(work));
  if (!found) {
    log::warn("jobs", "new jobs could not be read; the next look finds them", {{"reason", found.error().reason}});
    co_return;
  }
  for (const auto& job : *found) learn_read(job);
  news.pulse();
}

asio::awaitable<void> Service::State::read_again(std::vector<Waiting> refused) {
  for (const auto& job : refused) {
    auto work = [id = job.id](soci::session& sql) -> Result<std::optional<rows::Brief>> {
      return rows::waiting_one(sql, id);
    };
    const Gone::Reading reading(gone);
    auto row = co_await parts.store.read(std::move(work));
    if (!row) {
      auto later = job;
      later.not_before = now() + kRefusedPause;
      lineup.learn(later);
    } else if (*row) {
      learn_read(**row, (*row)->due == job.due ? now() + kRefusedPause : 0);
    } else if (!running.contains(job.id)) {
      lineup.leave_lane(*job.line, job.lane, job.id);
    }
  }
  news.pulse();
}

/// Learns of those that wait and have a number above `after` what is not known yet; with a `pause` after each page,
/// where others have work that is more urgent.
asio::awaitable<Result<>> Service::State::read_after(JobId after, std::chrono::milliseconds pause) {
  bool more = true;
  while (more) {
    auto work = [after](soci::session& sql) -> Result<std::vector<rows::Brief>> {
      return rows::waiting_after(sql, after, kRowsAtOnce);
    };
    std::optional<Gone::Reading> reading(gone);
    auto found = co_await parts.store.read(std::move(work));
    co_await failpoint("jobs.read.after");
    if (!found) co_return fail(std::move(found.error()));
    for (const auto& job : *found) {
      const auto* known = lineup.find(job.id);
      if (known == nullptr || known->due != job.due || known->priority != job.priority) learn_read(job);
    }
    more = found->size() == static_cast<std::size_t>(kRowsAtOnce);
    if (more) after = found->back().id;
    reading.reset();
    news.pulse();
    if (more && pause.count() > 0) co_await sleep_for(pause);
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Service::State::load() {
  auto read = co_await read_after(0, {});
  if (!read) co_return read;
  auto work = [](soci::session& sql) -> Result<std::vector<rows::PausedKind>> { return rows::paused(sql); };
  auto paused = co_await parts.store.read(std::move(work));
  if (!paused) co_return fail(std::move(paused.error()));
  for (const auto& kind : *paused) {
    auto& line = lineup.line(kind.kind);
    line.paused = true;
    line.paused_by = kind.by;
  }
  auto count = [](soci::session& sql) -> Result<std::vector<rows::DeadCount>> { return rows::dead_counts(sql); };
  auto dead = co_await parts.store.read(std::move(count));
  if (!dead) co_return fail(std::move(dead.error()));
  for (const auto& kind : *dead) lineup.line(kind.kind).dead = static_cast<std::size_t>(kind.count);
  news.pulse();
  co_return Result<>{};
}

asio::awaitable<void> Service::State::reload() {
  auto loaded = co_await load();
  if (!loaded)
    log::warn("jobs", "jobs could not be read; the next look finds them", {{"reason", loaded.error().reason}});
}

}  // namespace tiltyard::jobs
