#include "base/gate.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <list>
#include <mutex>

#include "observe/log.h"

namespace tiltyard {
namespace {

/// One running coroutine; the signal may only be emitted on the coroutine's own executor.
struct Entry {
  asio::any_io_executor executor;
  asio::cancellation_signal signal;
};

void log_failure(const std::string& gate, const std::string& what, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) return;
    log::error("gate", "a task failed", {{"gate", gate}, {"task", what}, {"error", error.what()}});
  } catch (const std::exception& error) {
    log::error("gate", "a task failed", {{"gate", gate}, {"task", what}, {"error", error.what()}});
  } catch (...) {
    log::error("gate", "a task failed", {{"gate", gate}, {"task", what}, {"error", "an exception of an unknown type"}});
  }
}

}  // namespace

struct Gate::State {
  explicit State(std::string gate_name) : name(std::move(gate_name)) {}

  const std::string name;
  mutable std::mutex mutex;
  std::list<std::shared_ptr<Entry>> entries;
  bool closing = false;
};

Gate::Gate(std::string name) : state_(std::make_shared<State>(std::move(name))) {}
Gate::~Gate() = default;

void Gate::spawn(asio::any_io_executor executor, std::string what, asio::awaitable<void> work) {
  auto state = state_;
  auto entry = std::make_shared<Entry>();
  entry->executor = executor;
  std::list<std::shared_ptr<Entry>>::iterator place;
  {
    const std::lock_guard lock(state->mutex);
    if (state->closing) return;
    place = state->entries.insert(state->entries.end(), entry);
  }
  auto done = [state, entry, place, what = std::move(what)](const std::exception_ptr& failure) {
    if (failure) log_failure(state->name, what, failure);
    const std::lock_guard lock(state->mutex);
    state->entries.erase(place);
  };
  asio::co_spawn(executor, std::move(work), asio::bind_cancellation_slot(entry->signal.slot(), std::move(done)));
}

asio::awaitable<void> Gate::close() {
  const auto state = state_;
  std::list<std::shared_ptr<Entry>> running;
  {
    const std::lock_guard lock(state->mutex);
    state->closing = true;
    running = state->entries;
  }
  for (const auto& entry : running) {
    asio::post(entry->executor, [entry] { entry->signal.emit(asio::cancellation_type::terminal); });
  }
  running.clear();
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (true) {
    {
      const std::lock_guard lock(state->mutex);
      if (state->entries.empty()) co_return;
    }
    // Shutdown only: a short poll is simpler than a wake-up across executors, and costs at most 2 ms.
    timer.expires_after(std::chrono::milliseconds{2});
    co_await timer.async_wait(asio::use_awaitable);
  }
}

bool Gate::closing() const {
  const std::lock_guard lock(state_->mutex);
  return state_->closing;
}

std::size_t Gate::running() const {
  const std::lock_guard lock(state_->mutex);
  return state_->entries.size();
}

}  // namespace tiltyard
