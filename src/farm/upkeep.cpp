// What the farm does without being asked.
#include <algorithm>

#include "farm/events.h"
#include "farm/state.h"
#include "farm/store.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

constexpr std::chrono::milliseconds kTick{250}, kLookAtConfigEvery{500};
constexpr std::chrono::hours kLookAtAttackEvery{1};  ///< where the configuration names no attack data
constexpr std::chrono::minutes kForgetEvery{10};
constexpr int kRowsAtOnce = 16;

void set_gauges(Service::State& state) {
  auto& figures = state.figures;
  const auto now = state.time.now();
  for (std::size_t i = 0; i < kStatuses; ++i)
    figures.flags[i].set(static_cast<double>(state.books.totals().by_status[i]));
  const auto oldest = state.books.oldest_waiting();
  figures.queue_age_seconds.set(
      oldest ? static_cast<double>(to_micros(now) - state.books.flags()[*oldest].received_at) / 1e6 : 0);
  figures.open_leases.set(static_cast<double>(state.books.open_leases()));
  figures.rate_calls.set(state.rate.calls_per_second());
  figures.log_waiting_bytes.set(static_cast<double>(state.journal.waiting_bytes()));
  const auto& attack = state.attack;
  figures.attack_stale.set(
      !state.config->attack.format.empty() && attack.stale(attack.flag_ids(), state.parts.clock.now()) ? 1 : 0);
}

/// Pages ask again when they hear of it: so that they are told, not how, and at most a few times a second.
void tell_pages(Service::State& state) {
  if (!std::exchange(state.changed, false)) return;
  bus::Event event;
  event.kind = events::kChanged;
  event.subject = "farm";
  event.at = state.parts.clock.now();
  event.detail = "{}";
  state.parts.bus.publish(event);
}

}  // namespace

asio::awaitable<Result<>> recall(StatePtr state) {
  const auto began = std::chrono::steady_clock::now();
  std::uint32_t last = 0;
  while (true) {
    auto read = [last](soci::session& session) { return sql::read_rows(session, last, kRowsAtOnce); };
    auto rows = co_await state->parts.store.read(std::move(read));
    if (!rows) co_return fail(std::move(rows.error()));
    for (const auto& row : *rows) {
      if (auto replayed = state->books.replay(row.body, row.number); !replayed) co_return replayed;
      last = row.number;
    }
    if (rows->size() < static_cast<std::size_t>(kRowsAtOnce)) break;
  }
  state->books.finish_replay();
  state->time.not_before(state->books.last_at());
  state->journal.begin_after(last);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
  log::info(
      "farm", "the books are read",
      {{"flags", state->books.totals().total()}, {"rows", std::size_t{last}}, {"ms", std::int64_t{took.count()}}});
  co_return Result<>{};
}

namespace {

void keep_up(Service::State& state) {
  const auto before = state.books.totals();
  const auto waiting = state.books.waiting();
  state.books.advance(state.time.now(), state.journal.open());
  state.journal.filled();
  if (state.books.waiting() > waiting) state.work.pulse();
  if (!std::ranges::equal(before.by_status, state.books.totals().by_status)) state.changed = true;
  tell_pages(state);
  set_gauges(state);
}

asio::awaitable<Result<jobs::Next>> forget(StatePtr state) {
  const auto keep = std::chrono::hours{24} * state->config->keep_days;
  const auto first = state->books.forgettable(state->time.now(), keep);
  if (first <= state->books.flags().first() || first >= state->books.flags().end()) co_return jobs::Next::done();
  const auto row = state->books.flags().first_row(first / FlagTable::kChunk);
  auto remove = [row](soci::session& session) { return sql::remove_before(session, row); };
  auto removed = co_await state->parts.store.write(std::move(remove));
  if (!removed) co_return fail(std::move(removed.error()));
  log::info("farm", "old flags are forgotten", {{"flags", std::size_t{first - state->books.flags().first()}}});
  state->books.forget_before(first);
  state->changed = true;
  co_return jobs::Next::done();
}

jobs::Kind kind_of(const char* name, const char* about, std::function<asio::awaitable<Result<jobs::Next>>()> work) {
  jobs::Kind kind;
  kind.name = name;
  kind.about = about;
  kind.timeout = std::chrono::minutes{5};
  kind.handler = [work = std::move(work)](jobs::Firing) { return work(); };
  return kind;
}

asio::awaitable<Result<jobs::Next>> do_now(StatePtr state, void (*work)(Service::State&)) {
  work(*state);
  co_return jobs::Next::done();
}

/// A piece of work that waits for nothing.
std::function<asio::awaitable<Result<jobs::Next>>()> at_once(StatePtr state, void (*work)(Service::State&)) {
  return [state = std::move(state), work] { return do_now(state, work); };
}

}  // namespace

void declare_jobs(StatePtr state) {
  auto& jobs = state->parts.jobs;
  jobs.declare_poll(
      kind_of("farm.upkeep", "Ends leases and flags of the farm, and tells its pages.", at_once(state, keep_up)),
      kTick);
  if (state->options.watch)
    jobs.declare_poll(kind_of("farm.config", "Takes up a changed farm.toml.", at_once(state, look_at_config)),
                      kLookAtConfigEvery);
  jobs.declare_poll(kind_of(kAttackData, "Fetches the jury's attack data.",
                            [state] { return state->attack.fetch_all(state->parts.clock); }),
                    kLookAtAttackEvery);
  auto retention =
      kind_of("farm.retention", "Forgets flags that are older than keep_days.", [state] { return forget(state); });
  retention.at_once = 1;
  jobs.declare(std::move(retention));
  jobs.declare(jobs::Service::Recurring{"farm.retention", "forget", {}, *jobs::Schedule::every(kForgetEvery)});
}

}  // namespace tiltyard::farm
