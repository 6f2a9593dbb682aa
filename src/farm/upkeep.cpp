// What the farm does without being asked.
#include <algorithm>

#include "farm/state.h"
#include "farm/store.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

constexpr std::chrono::milliseconds kTick{250};
constexpr std::chrono::minutes kForgetEvery{10};
constexpr int kRowsAtOnce = 16;

void set_gauges(Service::State& state) {
  auto& figures = state.figures;
  const auto now = state.time.now();
  for (std::size_t i = 0; i < kStatuses; ++i) figures.flags[i].set(static_cast<double>(state.books.totals().by_status[i]));
  const auto oldest = state.books.oldest_waiting();
  figures.queue_age_seconds.set(oldest ? static_cast<double>(to_micros(now) - state.books.flags()[*oldest].received_at) / 1e6 : 0);
  figures.open_leases.set(static_cast<double>(state.books.open_leases()));
  figures.rate_calls.set(state.rate.calls_per_second());
  figures.log_waiting_bytes.set(static_cast<double>(state.journal.waiting_bytes()));
  const auto& attack = state.attack;
  figures.attack_stale.set(!state.config->attack.format.empty() && attack.stale(attack.flag_ids(), state.parts.clock.now()) ? 1 : 0);
}

/// Pages ask again when they hear of it: so that they are told, not how, and at most a few times a second.
void tell_pages(Service::State& state) {
  if (!std::exchange(state.changed, false)) return;
  bus::Event event;
  event.kind = "farm.changed";
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
  log::info("farm", "the books are read", {{"flags", state->books.totals().total()}, {"rows", std::size_t{last}}, {"ms", std::int64_t{took.count()}}});
  co_return Result<>{};
}

asio::awaitable<void> keep_up(StatePtr state) {
  while (true) {
    co_await sleep_for(kTick);
    const auto before = state->books.totals();
    const auto waiting = state->books.waiting();
    state->books.advance(state->time.now(), state->journal.open());
    state->journal.filled();
    if (state->books.waiting() > waiting) state->work.pulse();
    if (!std::ranges::equal(before.by_status, state->books.totals().by_status)) state->changed = true;
    tell_pages(*state);
    set_gauges(*state);
  }
}

asio::awaitable<void> forget(StatePtr state) {
  while (true) {
    co_await sleep_for(kForgetEvery);
    const auto keep = std::chrono::hours{24} * state->config->keep_days;
    const auto first = state->books.forgettable(state->time.now(), keep);
    if (first <= state->books.flags().first() || first >= state->books.flags().end()) continue;
    const auto row = state->books.flags().first_row(first / FlagTable::kChunk);
    auto remove = [row](soci::session& session) { return sql::remove_before(session, row); };
    auto removed = co_await state->parts.store.write(std::move(remove));
    if (!removed) {
      log::warn("farm", "old flags could not be forgotten", {{"reason", removed.error().reason}, {"cause", removed.error().cause}});
      continue;
    }
    log::info("farm", "old flags are forgotten", {{"flags", std::size_t{first - state->books.flags().first()}}});
    state->books.forget_before(first);
    state->changed = true;
  }
}

}  // namespace tiltyard::farm
