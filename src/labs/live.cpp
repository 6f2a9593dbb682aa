#include "labs/live.h"

namespace tiltyard::labs {

asio::awaitable<bool> Ripple::wait_for(std::chrono::steady_clock::duration limit) {
  if (set_) co_return true;
  const auto executor = co_await asio::this_coro::executor;
  if (!signal_) signal_ = std::make_shared<Signal>(executor);
  const auto signal = signal_;
  // Also where the wait is cut.
  struct Leaving {
    std::shared_ptr<Signal>& kept;
    const std::shared_ptr<Signal>& signal;
    ~Leaving() {
      if (signal.use_count() == 2) kept.reset();  // nobody else waits
    }
  };
  const Leaving leaving{signal_, signal};
  co_return co_await signal->wait_for(limit);
}

}  // namespace tiltyard::labs
