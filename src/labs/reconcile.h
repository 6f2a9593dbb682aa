#pragma once

#include <deque>

#include "labs/ownership.h"
#include "labs/sleep.h"
#include "labs/warm_pools.h"

namespace tiltyard::labs {

/// After a crash, after the engine came back, and every ten minutes: rows and engine are laid side by side (row 1.13).
class Reconcile final : public Care, OnGround {
 public:
  Reconcile(Ground& ground, Instances& instances, Offers& offers, Planner& planner, Saga& saga, StartQueue& queue,
            WarmPools& pools, Sleep& sleep);

  void declare_jobs();
  /// The namespace on all engines that answer; `namespace-claimed`: it is another server's on one of them.
  asio::awaitable<Result<>> claim();
  /// What a server leaves behind that leaves with nothing running.
  asio::awaitable<void> leave();
  /// Takes up every row that is not final; nothing is asked of the engine yet.
  asio::awaitable<Result<>> load();
  /// Every row of what is on this engine goes on where it stood, and what has no row goes away. Runs at start and
  /// whenever the engine has come back.
  asio::awaitable<void> reattach_all(std::string engine);
  void on_engine_event(const std::string& engine, const engine::EngineEvent& event);
  /// Row 1.12: removes what carries our labels but has no row, if it is older than `window`.
  asio::awaitable<Result<std::size_t>> sweep(std::chrono::seconds window);

  asio::awaitable<void> look_after(LiveRef live) override;
  asio::awaitable<void> end(LiveRef live) override { return saga_.unmake(std::move(live), InstanceState::kStopped); }

 private:
  static Doing to_do(const Live& live);
  asio::awaitable<void> reattach(LiveRef live);
  asio::awaitable<void> mend(LiveRef live);
  asio::awaitable<Result<>> mend_once(LiveRef live);
  asio::awaitable<Result<>> hand_over_again(LiveRef live);
  void tell_of_machines(const LiveRef& live);
  asio::awaitable<void> note_machines(LiveRef live);
  asio::awaitable<void> lose(LiveRef live, Error why);
  bool settles(const LiveRef& live, const std::string& machine, int exit_code);
  bool give_up_helper(const LiveRef& live, const engine::EngineEvent& death);
  void close(const LiveRef& live, PlannedMachine& machine, int exit_code);
  asio::awaitable<void> look_whether_it_goes_on(LiveRef live, engine::EngineEvent death);
  void doubt_ends(const std::string& engine);
  asio::awaitable<Result<jobs::Next>> sweep_and_check();
  asio::awaitable<Result<std::size_t>> sweep_one(std::string engine, std::chrono::seconds window);
  asio::awaitable<void> leave_one(engine::Engine& engine, Ownership& owned);

  Instances& instances_;
  Offers& offers_;
  Planner& planner_;
  Saga& saga_;
  StartQueue& queue_;
  WarmPools& pools_;
  Sleep& sleep_;
  std::map<std::string, Ownership> owned_;  ///< by the engine's name
  struct End {
    InstanceId instance;
    std::string machine;
    std::chrono::steady_clock::time_point when;
  };
  std::deque<End> ended_lately_;
};

}  // namespace tiltyard::labs
