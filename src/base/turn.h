#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace tiltyard {

namespace asio = boost::asio;

/// One coroutine at a time, on one loop; what waits is let in in no order.
class Turn {
 public:
  explicit Turn(asio::any_io_executor executor) : free_(executor, asio::steady_timer::time_point::max()) {}

  class Held {
   public:
    explicit Held(Turn& turn) : turn_(&turn) {}
    Held(Held&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (turn_ == nullptr) return;
      turn_->taken_ = false;
      turn_->free_.cancel_one();
    }

   private:
    Turn* turn_;
  };

  asio::awaitable<Held> take() {
    while (taken_) co_await free_.async_wait(asio::as_tuple(asio::use_awaitable));
    taken_ = true;
    co_return Held(*this);
  }

 private:
  asio::steady_timer free_;
  bool taken_ = false;
};

}  // namespace tiltyard
