#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace tiltyard {

namespace asio = boost::asio;

namespace detail {

/// What the two sides of a hop share. Boost 1.81's own co_spawn leaves a bare pointer to its signal on the way to the
/// other executor when it is cancelled, which is gone if the work ends meanwhile; here the signal lives as long as
/// either side.
template <class Handler>
struct Hop {
  explicit Hop(Handler to_call)
      : handler(std::move(to_call)),
        home(asio::prefer(asio::get_associated_executor(handler), asio::execution::outstanding_work.tracked)) {}

  Handler handler;
  asio::any_io_executor home;
  asio::cancellation_signal signal;
};

template <class Handler>
std::shared_ptr<Hop<Handler>> begin_hop(Handler handler, const asio::any_io_executor& there) {
  auto hop = std::make_shared<Hop<Handler>>(std::move(handler));
  auto slot = asio::get_associated_cancellation_slot(hop->handler);
  if (slot.is_connected()) {
    slot.assign([weak = std::weak_ptr(hop), there](asio::cancellation_type type) {
      if (auto live = weak.lock()) asio::post(there, [live = std::move(live), type] { live->signal.emit(type); });
    });
  }
  return hop;
}

template <class Handler, class... Outcome>
void end_hop(const std::shared_ptr<Hop<Handler>>& hop, Outcome... outcome) {
  auto home = hop->home;
  asio::post(home, [hop = hop, ... outcome = std::move(outcome)]() mutable {
    // The handler goes before the call, so that what it resumes cannot find itself kept alive by this hop.
    auto slot = asio::get_associated_cancellation_slot(hop->handler);
    if (slot.is_connected()) slot.clear();
    auto handler = std::move(hop->handler);
    hop.reset();
    std::move(handler)(std::move(outcome)...);
  });
}

}  // namespace detail

/// Runs `work` on `there` and completes on the caller's executor (at once if they are the same). Exceptions travel
/// back, and cancelling the caller cancels the work; the caller goes on only when the work has ended.
template <class T>
asio::awaitable<T> run_on(asio::any_io_executor there, asio::awaitable<T> work) {
  const asio::any_io_executor here = co_await asio::this_coro::executor;
  if (here == there) co_return co_await std::move(work);
  auto start = [there](auto handler, asio::awaitable<T> job) {
    auto hop = detail::begin_hop(std::move(handler), there);
    auto slot = hop->signal.slot();
    auto done = [hop = std::move(hop)](std::exception_ptr failure, T value) {
      detail::end_hop(hop, std::move(failure), std::move(value));
    };
    asio::co_spawn(there, std::move(job), asio::bind_cancellation_slot(slot, std::move(done)));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, T)>(
      std::move(start), asio::use_awaitable, std::move(work));
}

inline asio::awaitable<void> run_on(asio::any_io_executor there, asio::awaitable<void> work) {
  const asio::any_io_executor here = co_await asio::this_coro::executor;
  if (here == there) {
    co_await std::move(work);
    co_return;
  }
  auto start = [there](auto handler, asio::awaitable<void> job) {
    auto hop = detail::begin_hop(std::move(handler), there);
    auto slot = hop->signal.slot();
    auto done = [hop = std::move(hop)](std::exception_ptr failure) { detail::end_hop(hop, std::move(failure)); };
    asio::co_spawn(there, std::move(job), asio::bind_cancellation_slot(slot, std::move(done)));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      std::move(start), asio::use_awaitable, std::move(work));
}

}  // namespace tiltyard
