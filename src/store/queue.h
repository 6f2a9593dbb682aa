#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "store/store.h"

namespace tiltyard::store {

/// A unit of work on its way to a thread of the store, and the way back. `complete` is called exactly once.
struct Task {
  Store::AnyWork work;
  std::move_only_function<void(Result<Store::AnyValue>)> complete;
  std::chrono::steady_clock::time_point queued;
};

/// Tasks that wait, first in, first out. Thread-safe. Bounded, so that a stuck disk turns into refusals rather than
/// into memory.
class TaskQueue {
 public:
  explicit TaskQueue(std::size_t limit) : limit_(limit) {}

  enum class Admission { kTaken, kFull, kClosed };
  /// Takes the task only when it answers kTaken.
  Admission push(Task& task);
  /// Waits for work and returns at most `most` tasks; nothing once the queue is closed and empty.
  std::vector<Task> take(std::size_t most);
  /// Refuses further tasks; those that wait are still handed out.
  void close();
  std::size_t size() const;

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Task> tasks_;
  bool closed_ = false;
};

}  // namespace tiltyard::store
