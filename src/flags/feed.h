#pragma once

#include <boost/asio/awaitable.hpp>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/parallel.h"
#include "base/result.h"
#include "engine/engine.h"

namespace tiltyard::flags {

namespace asio = boost::asio;

/// Hands the bytes of a stream on the home loop to a thread that waits for them; at most about 4 MiB are on their way.
class Feed {
 public:
  explicit Feed(asio::any_io_executor home);

  /// On the home loop: reads `stream` to its end. Whatever becomes of it, the thread is told.
  static asio::awaitable<Result<>> pump(std::shared_ptr<Feed> feed, std::unique_ptr<engine::ByteStream> stream);
  /// On the thread: the next bytes, empty at the end.
  Result<std::string> next();
  /// On the thread: no more is wanted.
  void leave();

 private:
  bool full();
  bool left();
  void push(std::string bytes);
  void end(std::optional<Error> failure);

  asio::any_io_executor home_;
  std::shared_ptr<Signal> room_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::string> chunks_;
  std::size_t bytes_ = 0;
  std::optional<Error> failure_;
  bool ended_ = false, left_ = false;
};

}  // namespace tiltyard::flags
