#include "store/queue.h"

#include <algorithm>

namespace tiltyard::store {

TaskQueue::Admission TaskQueue::push(Task& task) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Admission::kClosed;
    if (tasks_.size() >= limit_) return Admission::kFull;
    tasks_.push_back(std::move(task));
  }
  arrived_.notify_one();
  return Admission::kTaken;
}

std::vector<Task> TaskQueue::take(std::size_t most) {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
  const std::size_t count = std::min(most, tasks_.size());
  std::vector<Task> taken;
  taken.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    taken.push_back(std::move(tasks_.front()));
    tasks_.pop_front();
  }
  return taken;
}

void TaskQueue::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

std::size_t TaskQueue::size() const {
  std::lock_guard lock(mutex_);
  return tasks_.size();
}

}  // namespace tiltyard::store
