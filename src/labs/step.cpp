#include "labs/step.h"

namespace tiltyard::labs {

asio::awaitable<bool> Ripple::wait_for(std::chrono::steady_clock::duration limit) {
  if (set_) co_return true;
  const auto executor = co_await asio::this_coro::executor;
  if (!signal_) signal_ = std::make_shared<Signal>(executor);
  const auto signal = signal_;
  const bool told = co_await signal->wait_for(limit);
  if (signal.use_count() == 2) signal_.reset();  // nobody else waits
  co_return told;
}

}  // namespace tiltyard::labs
