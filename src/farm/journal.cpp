#include "farm/journal.h"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

#include "base/failpoint.h"
#include "farm/store.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

constexpr std::chrono::milliseconds kTryAgainAfter{250};

}  // namespace

Journal::Journal(asio::any_io_executor home, store::Store& store)
    : home_(home), store_(store), more_(home), idle_(home) {}

asio::awaitable<Result<>> Journal::settled() {
  const std::uint32_t last = open_.empty() ? row_ - 1 : row_;
  if (last <= durable_) co_return Result<>{};
  auto start = [this, last](auto handler) {
    auto executor = asio::get_associated_executor(handler);
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    waiters_.emplace_back(last, [executor, shared](Result<> outcome) {
      asio::post(executor,
                 [shared, outcome = std::move(outcome)]() mutable { std::move (*shared)(std::move(outcome)); });
    });
  };
  Result<> outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<>)>(std::move(start),
                                                                                                  asio::use_awaitable);
  co_return outcome;
}

void Journal::wake(const Result<>& outcome, std::uint32_t up_to) {
  auto before = std::exchange(waiters_, {});
  for (auto& [row, waiter] : before) {
    if (row <= up_to) waiter(outcome);
    else waiters_.emplace_back(row, std::move(waiter));
  }
}

asio::awaitable<Result<>> Journal::write_row() {
  auto before = co_await failpoint("farm.journal.before");
  if (!before) co_return before;
  const std::uint32_t row = durable_ + 1;
  auto insert = [row, body = in_flight_](soci::session& session) { return sql::insert_row(session, row, body); };
  auto written = co_await store_.write(std::move(insert));
  if (!written) co_return written;
  co_return co_await failpoint("farm.journal.after");
}

asio::awaitable<void> Journal::work(Journal* self) {
  bool failing = false;
  while (true) {
    if (self->in_flight_.empty()) {
      if (self->open_.empty()) {
        self->idle_.set();
        if (self->closing_) co_return;
        self->more_.reset();
        co_await self->more_.wait();
        continue;
      }
      self->idle_.reset();
      self->in_flight_ = std::exchange(self->open_, {});
      ++self->row_;
    }
    auto written = co_await self->write_row();
    if (written) {
      if (failing) log::info("farm", "the log is written again");
      failing = false;
      ++self->durable_;
      self->in_flight_.clear();
      self->wake(written, self->durable_);
      continue;
    }
    if (!failing)
      log::error("farm", "the log cannot be written; flags are refused until it can",
                 {{"reason", written.error().reason}, {"cause", written.error().cause}});
    failing = true;
    self->wake(written, self->row_);
    if (self->closing_) co_return;
    co_await sleep_for(kTryAgainAfter);
  }
}

void Journal::run() { gate_.spawn(home_, "write the log", work(this)); }

asio::awaitable<void> Journal::close() {
  closing_ = true;
  more_.set();
  co_await idle_.wait_for(std::chrono::seconds{3});
  co_await gate_.close();
  wake(fail(Code::kUnavailable, "shutting-down", "The server is stopping."), row_);
}

}  // namespace tiltyard::farm
