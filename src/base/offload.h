#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace tiltyard {

namespace asio = boost::asio;

/// A few threads for blocking work (SQLite, hashing, files), so that no loop ever waits. Joined by its destructor.
class WorkerPool {
 public:
  WorkerPool(std::string name, std::size_t threads) : name_(std::move(name)), pool_(threads) {}
  ~WorkerPool() { pool_.join(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  auto executor() { return pool_.get_executor(); }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  asio::thread_pool pool_;
};

/// Runs `work` (returning a value) on `pool` and completes with its result on the caller's executor. Exceptions travel
/// along. The work runs to its end even when the caller is cancelled meanwhile.
template <class Work>
asio::awaitable<std::invoke_result_t<Work>> offload(WorkerPool& pool, Work work) {
  using Value = std::invoke_result_t<Work>;
  struct Outcome {
    std::exception_ptr failure;
    std::optional<Value> value;
  };
  auto start = [&pool](auto handler, Work job) {
    asio::post(pool.executor(), [handler = std::move(handler), job = std::move(job)]() mutable {
      Outcome outcome;
      try {
        outcome.value.emplace(job());
      } catch (...) { outcome.failure = std::current_exception(); }
      auto executor = asio::get_associated_executor(handler);
      asio::post(executor, [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
        std::move(handler)(std::move(outcome));
      });
    });
  };
  Outcome outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Outcome)>(
      std::move(start), asio::use_awaitable, std::move(work));
  if (outcome.failure) std::rethrow_exception(outcome.failure);
  co_return std::move(*outcome.value);
}

}  // namespace tiltyard
