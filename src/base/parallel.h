#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"

namespace tiltyard {

namespace asio = boost::asio;

/// Runs all side by side on the caller's executor (one loop) and completes when the last has ended, with their results
/// in order. An exception becomes an `internal` error. Terminal cancellation of the caller reaches each of them.
asio::awaitable<std::vector<Result<>>> all_of(std::vector<asio::awaitable<Result<>>> works);

/// What comes of `work`; nothing, if `enough` completes first: then `work` has been cut (terminal cancellation) and is
/// over when this returns. An exception of `work` becomes an `internal` error.
asio::awaitable<std::optional<Result<>>> unless(asio::awaitable<Result<>> work, asio::awaitable<void> enough);

/// The first error of several results, or success.
Result<> first_error(std::vector<Result<>> results);

/// Something that happens once (or is told to many at once) on one loop: those who wait go on when `set` is called.
class Signal {
 public:
  explicit Signal(asio::any_io_executor executor);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// From now on `wait` completes at once, until `reset`.
  void set();
  /// Wakes those who wait now, and stays unset.
  void pulse();
  void reset();
  bool is_set() const;
  asio::awaitable<void> wait();
  /// Whether it was set (or pulsed) within `limit`.
  asio::awaitable<bool> wait_for(std::chrono::steady_clock::duration limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Sleeps on the caller's executor.
asio::awaitable<void> sleep_for(std::chrono::steady_clock::duration duration);

}  // namespace tiltyard
