#pragma once

#include <map>

#include "labs/instances.h"
#include "labs/planner.h"
#include "labs/step_order.h"

namespace tiltyard::labs {

struct Course;

/// The way of one instance: steps forward, or all the way back (docs/life-of-a-spawn.md).
class Saga : OnGround {
 public:
  Saga(Ground& ground, Instances& instances, Planner& planner, Steps steps);
  ~Saga();

  asio::awaitable<Result<>> load();
  /// From "preparing" to "running", or back to nothing; whether it runs. The row is on disk.
  asio::awaitable<bool> spawn(LiveRef live);
  /// Makes all, with other addresses as often as somebody else turns out to use ours.
  asio::awaitable<Result<>> make_somewhere(LiveRef live);
  /// Undoes all steps in reverse order, each until it succeeds, and only then says `end`: the names are free again.
  asio::awaitable<void> unmake(LiveRef live, InstanceState end);
  /// One step's `make`. Cut when it goes on though it was to end, which it is at the latest at `until`:
  /// reason::kSpawnTooLong.
  asio::awaitable<Result<>> make_step(LiveRef live, Step* step, std::chrono::steady_clock::time_point until);
  const StepOrder& steps() const { return steps_; }
  /// Whether the steps fit together.
  const Result<>& composed() const { return composed_; }
  /// Mean time from admission to running of earlier spawns.
  std::optional<std::chrono::microseconds> usual_start(const TemplateId& tmpl) const;

 private:
  asio::awaitable<Result<>> commit_running(LiveRef live, std::chrono::microseconds took);
  asio::awaitable<Result<>> move_addresses(LiveRef live);
  asio::awaitable<Result<>> make_all(LiveRef live);
  asio::awaitable<Result<>> make_one(LiveRef live, std::size_t index, Course* course);
  asio::awaitable<void> undo_one(LiveRef live, const StepOrder::Node& node);
  asio::awaitable<void> note_start(TemplateId tmpl, std::chrono::microseconds usual);
  asio::awaitable<bool> engine_back(LiveRef live);
  asio::awaitable<void> keep_last_words(LiveRef live);
  asio::awaitable<void> enough(LiveRef live, std::chrono::steady_clock::time_point until);
  Error too_long(const std::string& step) const;

  Instances& instances_;
  Planner& planner_;
  StepOrder steps_;
  Result<> composed_;
  std::map<TemplateId, std::chrono::microseconds> usual_;
};

}  // namespace tiltyard::labs
