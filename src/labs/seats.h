#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tiltyard::labs {

/// How many of a thing that lasts each user has open now. A limiter counts what comes; this, what stays. From any
/// thread: an answer may be let go of on the loop of its connection.
class Seats {
 public:
  /// One of `most` for `user`, as long as what is returned is kept; null: all are taken.
  std::shared_ptr<void> take(const std::string& user, std::size_t most) {
    const std::lock_guard lock(taken_->mutex);
    auto& count = taken_->by_user[user];
    if (count >= most) return nullptr;
    ++count;
    auto leave = [taken = taken_, user](void*) {
      const std::lock_guard again(taken->mutex);
      const auto found = taken->by_user.find(user);
      if (--found->second == 0) taken->by_user.erase(found);
    };
    return {this, std::move(leave)};
  }

 private:
  struct Taken {
    std::mutex mutex;
    std::map<std::string, std::size_t> by_user;
  };
  std::shared_ptr<Taken> taken_ = std::make_shared<Taken>();
};

}  // namespace tiltyard::labs
