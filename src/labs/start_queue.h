#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>

#include "labs/pace.h"
#include "labs/saga.h"
#include "templates/templates.h"

namespace tiltyard::labs {

struct QueuePlace {
  std::size_t position = 0;  ///< from 1
  std::chrono::milliseconds eta{0};
};

struct SpawnLoad {
  std::size_t limit = 0, most = 0, under_way = 0, waiting = 0;
  double per_second = 0;  ///< while all places are taken; 0: not measured yet
};

/// Those who wait for a place: who is next, when it will be, and how well that was told (row 1.7).
class StartQueue : OnGround {
 public:
  StartQueue(Ground& ground, Instances& instances, Offers& offers, Planner& planner, Saga& saga);

  asio::awaitable<Result<>> load();
  void declare_jobs();

  // The places of spawns that are under way.
  bool room() const { return spawning_ < pace_.limit(); }
  bool at_once() const { return waiting_.empty() && room(); }
  std::size_t limit() const { return pace_.limit(); }
  std::size_t under_way() const { return spawning_; }
  void take_place() { ++spawning_; }
  void give_back_place();
  /// One spawn on a place that has been taken: measured, and the place given back when it is over.
  asio::awaitable<void> spawn(LiveRef live);
  void begun(const Instance& instance);
  void done(const Instance& instance, bool success);

  // Those who wait.
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  bool holds(const TemplateId& tmpl) const;
  /// With an estimate of when it will run, which is kept with it.
  void push(LiveRef live);
  /// As it was before a restart.
  void restore(LiveRef live) { waiting_.push_back(std::move(live)); }
  void drop(const LiveRef& live) { std::erase(waiting_, live); }
  /// Whether it waited: then it is on its way back to nothing.
  bool turn_away(const LiveRef& live);
  /// Starts those at the head as long as there is room for more spawns.
  void pump();

  std::optional<QueuePlace> place_of(const InstanceId& id) const;
  SpawnLoad load_now() const;

 private:
  asio::awaitable<void> leave(LiveRef live);
  void count_places() const;
  asio::awaitable<Result<jobs::Next>> tell();
  asio::awaitable<void> save_pace();
  void observe_estimate(const Instance& instance, std::chrono::microseconds actual);

  Instances& instances_;
  Offers& offers_;
  Planner& planner_;
  Saga& saga_;
  std::deque<LiveRef> waiting_;
  std::size_t spawning_ = 0;
  Pace pace_;
  Pace::Known saved_pace_;
  double bias_ = 0;  ///< decaying mean of the error of estimates
  bool pace_saving_ = false, moved_ = false, told_ = false;
  int quiet_turns_ = 0;
  mutable std::unordered_map<InstanceId, QueuePlace> places_;  ///< counted once for all who wait, not once for each
  mutable std::chrono::steady_clock::time_point places_at_{};
};

}  // namespace tiltyard::labs
