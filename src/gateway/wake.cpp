// Instances that sleep: who is held, who is woken, and the telling of all loops.
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/gateway_state.h"
#include "observe/log.h"

namespace tiltyard::gateway {

asio::awaitable<void> run_jobs(std::vector<Job> jobs) {
  if (jobs.empty()) co_return;
  auto start = [](auto handler, std::vector<Job> work) {
    using Handler = decltype(handler);
    struct Pending {
      Pending(Handler h, std::size_t count) : handler(std::move(h)), left(count) {}
      Handler handler;
      std::atomic<std::size_t> left;
    };
    auto pending = std::make_shared<Pending>(std::move(handler), work.size());
    for (auto& job : work) {
      job.shard->post([pending, run = std::move(job.work)](Shard& shard) {
        run(shard);
        if (pending->left.fetch_sub(1) != 1) return;
        auto executor = asio::get_associated_executor(pending->handler);
        asio::post(executor, [pending] { std::move(pending->handler)(); });
      });
    }
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(start), asio::use_awaitable,
                                                                       std::move(jobs));
}

Gateway::State::Published* Gateway::State::find(const InstanceId& instance) {
  std::lock_guard lock(mutex);
  auto found = published.find(instance);
  return found == published.end() ? nullptr : &found->second;
}

void Gateway::State::listen_for_wakes() {
  shared->contacts_wait = [weak = weak_from_this(), home = home] {
    asio::post(home, [weak] {
      if (auto state = weak.lock(); state && state->come && !state->stopping) state->come();
    });
  };
  shared->want_awake = [weak = weak_from_this(), home = home](const InstanceId& instance) {
    asio::post(home, [weak, instance] {
      if (auto state = weak.lock()) state->want_awake(instance);
    });
  };
}

void Gateway::State::want_awake(const InstanceId& instance) {
  auto* entry = find(instance);
  // Awake by now: the shard hears of it next. Being woken: all get that answer.
  if (!entry || !entry->asleep || entry->waking || stopping) return;
  entry->waking = true;
  wakes.spawn(home, "wake " + instance.str(), run_wake(shared_from_this(), instance));
}

asio::awaitable<void> Gateway::State::run_wake(std::shared_ptr<State> state, InstanceId instance) {
  Result<> woken = fail(Code::kUnavailable, "asleep", "Nobody can wake this instance.");
  try {
    if (state->wake) woken = co_await state->wake(instance);
  } catch (const std::exception& failure) {
    woken = fail(Code::kInternal, "internal", "The instance could not be woken.", failure.what());
  }
  auto* entry = state->find(instance);
  if (!entry || state->stopping) co_return;
  entry->waking = false;
  if (!entry->asleep) co_return;
  if (woken) {
    entry->asleep = false;
  } else {
    const Error& error = woken.error();
    log::warn(
        "gateway", "an instance could not be woken",
        {{"instance", instance.str()}, {"reason", error.reason}, {"message", error.message}, {"cause", error.cause}});
  }
  auto jobs = state->everywhere([instance, good = woken.has_value()](Shard& shard) {
    if (good) shard.set_asleep(instance, false);
    else shard.give_up_waking(instance);
  });
  co_await run_jobs(std::move(jobs));
}

void Gateway::on_wake(Wake wake) { state_->wake = std::move(wake); }

asio::awaitable<Result<>> Gateway::set_asleep(InstanceId instance, bool asleep) {
  auto state = state_;
  auto* entry = state->find(instance);
  if (!entry) co_return fail(Code::kNotFound, "instance-unknown", "The instance is not published.");
  if (state->shut) co_return fail(Code::kUnavailable, "shutting-down", "The gateway is shutting down.");
  entry->asleep = asleep;
  auto jobs = state->everywhere([instance, asleep](Shard& shard) { shard.set_asleep(instance, asleep); });
  co_await run_jobs(std::move(jobs));
  co_return Result<>{};
}

}  // namespace tiltyard::gateway
