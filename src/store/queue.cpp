#include "store/queue.h"

#include <algorithm>

namespace tiltyard::store {

JobQueue::Admission JobQueue::push(Job& job) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Admission::kClosed;
    if (jobs_.size() >= limit_) return Admission::kFull;
    jobs_.push_back(std::move(job));
  }
  arrived_.notify_one();
  return Admission::kTaken;
}

std::vector<Job> JobQueue::take(std::size_t most) {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
  const std::size_t count = std::min(most, jobs_.size());
  std::vector<Job> taken;
  taken.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    taken.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
  return taken;
}

void JobQueue::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

std::size_t JobQueue::size() const {
  std::lock_guard lock(mutex_);
  return jobs_.size();
}

}  // namespace tiltyard::store
