#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace tiltyard {

namespace asio = boost::asio;

/// Every coroutine that nobody awaits belongs to a gate. The gate logs its failure, and at shutdown asks all of its
/// coroutines to stop (terminal cancellation) and waits until they have. Thread-safe; must outlive its coroutines,
/// which `close()` ensures.
class Gate {
 public:
  explicit Gate(std::string name);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Starts `work` on `executor`. After `close()` has begun, `work` is dropped unstarted. `what` names it in the log.
  void spawn(asio::any_io_executor executor, std::string what, asio::awaitable<void> work);

  /// Refuses new work, cancels what runs, and completes when nothing runs any more.
  asio::awaitable<void> close();

  bool closing() const;
  std::size_t running() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard
