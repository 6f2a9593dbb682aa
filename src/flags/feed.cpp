#include "flags/feed.h"

#include <boost/asio/post.hpp>

namespace tiltyard::flags {
namespace {

constexpr std::size_t kMostWaiting = 4 * 1024 * 1024;
constexpr std::chrono::milliseconds kLookAgain{200};

}  // namespace

Feed::Feed(asio::any_io_executor home) : home_(home), room_(std::make_shared<Signal>(home)) {}

asio::awaitable<Result<>> Feed::pump(std::shared_ptr<Feed> feed, std::unique_ptr<engine::ByteStream> stream) {
  // Also when this coroutine is cancelled or throws: the thread must not wait for what will never come.
  struct Ending {
    std::shared_ptr<Feed> feed;
    ~Ending() { feed->end(Error{Code::kCancelled, "cancelled", "The reading of an image was given up.", {}, {}}); }
  };
  const Ending ending{feed};
  while (true) {
    while (feed->full()) co_await feed->room_->wait_for(kLookAgain);
    if (feed->left()) co_return Result<>{};
    auto bytes = co_await stream->read();
    if (!bytes) {
      feed->end(bytes.error());
      co_return fail(std::move(bytes.error()));
    }
    if (bytes->empty()) {
      feed->end(std::nullopt);
      co_return Result<>{};
    }
    feed->push(std::move(*bytes));
  }
}

Result<std::string> Feed::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return ended_ || !chunks_.empty(); });
  if (chunks_.empty()) {
    if (failure_) return fail(*failure_);
    return std::string{};
  }
  std::string out = std::move(chunks_.front());
  chunks_.pop_front();
  const bool was_full = bytes_ >= kMostWaiting;
  bytes_ -= out.size();
  if (was_full && bytes_ < kMostWaiting) asio::post(home_, [room = room_] { room->pulse(); });
  return out;
}

void Feed::leave() {
  const std::lock_guard lock(mutex_);
  left_ = true;
  chunks_.clear();
  bytes_ = 0;
  asio::post(home_, [room = room_] { room->pulse(); });
}

bool Feed::full() {
  const std::lock_guard lock(mutex_);
  return !left_ && bytes_ >= kMostWaiting;
}

bool Feed::left() {
  const std::lock_guard lock(mutex_);
  return left_;
}

void Feed::push(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (left_) return;
  bytes_ += bytes.size();
  chunks_.push_back(std::move(bytes));
  arrived_.notify_one();
}

void Feed::end(std::optional<Error> failure) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = true;
  failure_ = std::move(failure);
  arrived_.notify_one();
}

}  // namespace tiltyard::flags
