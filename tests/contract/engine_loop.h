#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

namespace tiltyard::engine::contract {

namespace asio = boost::asio;

/// An event loop that runs only while a test waits for something.
class Loop {
 public:
  Loop();
  ~Loop();
  asio::any_io_executor executor();

  /// Runs the loop until `work` has ended; throws what it throws, and std::runtime_error after two minutes.
  template <class T>
  T await(asio::awaitable<T> work) {
    if constexpr (std::is_void_v<T>) {
      drive(std::move(work));
    } else {
      std::optional<T> out;
      drive(store(std::move(work), &out));
      return std::move(*out);
    }
  }
  /// Runs the loop until `condition` holds; false when it does not within `limit`.
  bool until(std::function<bool()> condition, std::chrono::milliseconds limit);
  /// Runs the loop for that long, e.g. to see that nothing happens.
  void turn(std::chrono::milliseconds time);

 private:
  template <class T>
  static asio::awaitable<void> store(asio::awaitable<T> work, std::optional<T>* out) {
    out->emplace(co_await std::move(work));
  }
  void drive(asio::awaitable<void> work);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tiltyard::engine::contract
