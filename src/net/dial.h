#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "net/transport.h"

namespace tiltyard::net {
class Reach;
}

namespace tiltyard::http {

/// Where somebody listens.
struct Place {
  std::string unix_path;  ///< set: the rest is ignored
  std::string host;       ///< a name or an address
  std::uint16_t port = 0;
  const net::Reach* reach = nullptr;  ///< set: only what it allows, of the addresses that the host turns out to have
};

/// A connected socket on the caller's executor: names are looked up, and all addresses of one are tried in turn. TCP
/// sends at once (no Nagle). `connect-failed` is kTimeout when `until` has passed, else kUnavailable; the cause says
/// more. `target-refused` when `reach` allows none.
asio::awaitable<Result<Transport::Socket>> dial(Place place, std::chrono::steady_clock::time_point until);

}  // namespace tiltyard::http
