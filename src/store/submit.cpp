#include "store/submit.h"

#include <soci/soci.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/clock.h"

namespace tiltyard::store {
namespace {

using Answer = void(Result<Store::AnyValue>);

/// The way back: the answer is posted to the caller's executor, which must not run out of work meanwhile.
template <class Handler>
std::move_only_function<Answer> answer_on_callers_executor(Handler handler) {
  asio::any_io_executor executor = asio::get_associated_executor(handler);
  asio::any_io_executor working = asio::prefer(executor, asio::execution::outstanding_work.tracked);
  return [handler = std::move(handler), working = std::move(working)](Result<Store::AnyValue> outcome) mutable {
    asio::post(working, [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
      std::move(handler)(std::move(outcome));
    });
  };
}

}  // namespace

asio::awaitable<Result<Store::AnyValue>> submit(TaskQueue& queue, Store::AnyWork work) {
  auto start = [&queue](auto handler, Store::AnyWork job_work) {
    Task task{std::move(job_work), answer_on_callers_executor(std::move(handler)), std::chrono::steady_clock::now()};
    switch (queue.push(task)) {
      case TaskQueue::Admission::kTaken:
        return;
      case TaskQueue::Admission::kFull:
        task.complete(fail(Code::kUnavailable, "store-busy", "Too much waits for the database. Try again."));
        return;
      case TaskQueue::Admission::kClosed:
        task.complete(fail(Code::kUnavailable, "shutting-down", "The server is stopping."));
        return;
    }
  };
  Result<Store::AnyValue> outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>, Answer>(
      std::move(start), asio::use_awaitable, std::move(work));
  co_return outcome;
}

asio::awaitable<Result<>> beat(Store& store) {
  const long long now = to_micros(SystemClock().now());
  auto write = [now](soci::session& sql) -> Result<> {
    sql << "INSERT INTO store_heartbeat (id, beat_at) VALUES (1, :now) "
           "ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at",
        soci::use(now, "now");
    return {};
  };
  co_return co_await store.write(write);
}

}  // namespace tiltyard::store
