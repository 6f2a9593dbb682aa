#pragma once

#include "labs/machines.h"
#include "labs/reasons.h"
#include "labs/saga.h"

namespace tiltyard::labs {

/// Instances that nobody uses are paused, and woken by the first who comes (row 1.15, docs/decisions/0008).
class Sleep : OnGround {
 public:
  Sleep(Ground& ground, Instances& instances, Saga& saga) : OnGround(ground), instances_(instances), saga_(saga) {}

  void declare_jobs();
  asio::awaitable<Result<>> pause(InstanceId id);
  asio::awaitable<Result<>> wake(InstanceId id);
  /// After a restart of ours or of the engine: the row and the machines say the same again.
  asio::awaitable<void> settle(LiveRef live);

 private:
  /// One pause, for who asked for it.
  struct Dozing {
    Result<> result = fail(Code::kCancelled, reason::kCancelled, "The pause was given up.");
    bool over = false;
  };

  asio::awaitable<Result<jobs::Next>> pause_idle();
  asio::awaitable<Result<>> tell_asleep(LiveRef live, bool asleep);
  std::optional<std::chrono::steady_clock::time_point> sleeps_at(Live& live) const;
  asio::awaitable<Result<>> put_to_sleep(LiveRef live, bool only_if_idle);
  asio::awaitable<void> doze_off(LiveRef live, bool only_if_idle, std::shared_ptr<Dozing> dozing);
  asio::awaitable<Result<>> freeze_all(LiveRef live, bool only_if_idle);
  asio::awaitable<void> rouse(LiveRef live, std::shared_ptr<Waking> waking);
  asio::awaitable<Result<>> thaw_all(LiveRef live);

  Instances& instances_;
  Saga& saga_;
};

}  // namespace tiltyard::labs
