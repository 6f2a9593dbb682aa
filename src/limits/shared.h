#pragma once

#include <boost/asio/awaitable.hpp>

#include <span>
#include <string>

#include "base/result.h"
#include "bus/redis.h"
#include "limits/gcra.h"

namespace tiltyard::limits {

namespace asio = boost::asio;

/// The counts that several servers share, in Redis: one call of one script for all quotas of a request, with Redis' own
/// clock. Atomic, because Redis runs one script at a time. Keys end by themselves once they owe nothing.
class Shared {
 public:
  /// Keys begin with `prefix`.
  Shared(bus::Redis& redis, std::string prefix);
  /// Charges all, or none. The errors of bus::Redis. What `charges` points to must live until the answer.
  asio::awaitable<Result<Outcome>> take(std::span<const Charge> charges);

 private:
  bus::Redis& redis_;
  std::string prefix_;
  bus::RedisScript script_;
};

}  // namespace tiltyard::limits
