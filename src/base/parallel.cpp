#include "base/parallel.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <deque>
#include <list>

namespace tiltyard {
namespace {

Result<> from_exception(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) {
      return fail(Code::kCancelled, "cancelled", "The work was given up.");
    }
    return fail(Code::kInternal, "internal", "Something unexpected happened.", error.what());
  } catch (const std::exception& error) {
    return fail(Code::kInternal, "internal", "Something unexpected happened.", error.what());
  } catch (...) {
    return fail(Code::kInternal, "internal", "Something unexpected happened.", "an exception of an unknown type");
  }
}

/// What the running children share. A deque, because signals can neither be copied nor moved.
template <class Handler>
struct Group {
  Group(Handler h, std::size_t count) : handler(std::move(h)), results(count), left(count), signals(count) {}

  Handler handler;
  std::vector<Result<>> results;
  std::size_t left;
  std::deque<asio::cancellation_signal> signals;

  void done(std::size_t index, Result<> result) {
    results[index] = std::move(result);
    if (--left > 0) return;
    // The slot holds a reference to this group; clearing it breaks the cycle before the caller goes on.
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) slot.clear();
    std::move(handler)(std::move(results));
  }
};

}  // namespace

asio::awaitable<std::vector<Result<>>> all_of(std::vector<asio::awaitable<Result<>>> works) {
  if (works.empty()) co_return std::vector<Result<>>{};
  auto executor = co_await asio::this_coro::executor;
  auto start = [executor](auto handler, std::vector<asio::awaitable<Result<>>> jobs) {
    using Shared = Group<decltype(handler)>;
    auto group = std::make_shared<Shared>(std::move(handler), jobs.size());
    auto slot = asio::get_associated_cancellation_slot(group->handler);
    if (slot.is_connected()) {
      slot.assign([group](asio::cancellation_type type) {
        for (auto& signal : group->signals) signal.emit(type);
      });
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      auto done = [group, i](const std::exception_ptr& failure, Result<> result) {
        group->done(i, failure ? from_exception(failure) : std::move(result));
      };
      asio::co_spawn(executor, std::move(jobs[i]),
                     asio::bind_cancellation_slot(group->signals[i].slot(), std::move(done)));
    }
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::vector<Result<>>)>(
      std::move(start), asio::use_awaitable, std::move(works));
}

asio::awaitable<std::optional<Result<>>> unless(asio::awaitable<Result<>> work, asio::awaitable<void> enough) {
  using namespace asio::experimental::awaitable_operators;
  auto guarded = [](asio::awaitable<Result<>> inner) -> asio::awaitable<Result<>> {
    std::exception_ptr failure;
    try {
      co_return co_await std::move(inner);
    } catch (...) { failure = std::current_exception(); }
    co_return from_exception(failure);
  };
  auto outcome = co_await (guarded(std::move(work)) || std::move(enough));
  if (outcome.index() == 1) co_return std::nullopt;
  co_return std::get<0>(std::move(outcome));
}

Result<> first_error(std::vector<Result<>> results) {
  for (auto& result : results) {
    if (!result) return std::move(result);
  }
  return {};
}

/// Waiters are timers that never fire by themselves; `set` cancels them.
struct Signal::State {
  explicit State(asio::any_io_executor e) : executor(std::move(e)) {}

  asio::any_io_executor executor;
  bool set = false;
  std::list<std::shared_ptr<asio::steady_timer>> waiters;

  void wake() {
    auto woken = std::move(waiters);
    waiters.clear();
    for (auto& timer : woken) timer->cancel();
  }
};

Signal::Signal(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
Signal::~Signal() = default;

void Signal::set() {
  state_->set = true;
  state_->wake();
}
void Signal::pulse() { state_->wake(); }
void Signal::reset() { state_->set = false; }
bool Signal::is_set() const { return state_->set; }

asio::awaitable<void> Signal::wait() { co_await wait_for(std::chrono::hours{24 * 365}); }

asio::awaitable<bool> Signal::wait_for(std::chrono::steady_clock::duration limit) {
  const auto state = state_;
  if (state->set) co_return true;
  auto timer = std::make_shared<asio::steady_timer>(state->executor);
  timer->expires_after(limit);
  state->waiters.push_back(timer);
  boost::system::error_code error;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    // Woken, or the caller was cancelled; the latter must travel on. A cancelled caller's timer is still in the list.
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (cancelled.cancelled() != asio::cancellation_type::none) {
      state->waiters.remove(timer);
      throw boost::system::system_error(asio::error::operation_aborted);
    }
    co_return true;
  }
  // The limit passed first; a wake-up in the same turn of the loop has already taken the timer out.
  if (state->set) co_return true;
  state->waiters.remove(timer);
  co_return false;
}

asio::awaitable<void> sleep_for(std::chrono::steady_clock::duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(duration);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace tiltyard
