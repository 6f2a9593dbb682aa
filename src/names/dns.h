#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/offload.h"
#include "base/result.h"

namespace tiltyard::names {

/// What a host name leads to.
struct Found {
  std::vector<std::string> addresses;  ///< sorted; empty: it leads nowhere
  std::string canonical;               ///< where its CNAMEs end; empty: it has none
};

/// Asks DNS servers (c-ares), never the hosts file. An answer that there is nothing is an answer; `dns-failed` when no
/// server gave one within four seconds.
class Resolver {
 public:
  /// "192.0.2.53" or "192.0.2.53:5353", "[2001:db8::53]:5353"; none: those of /etc/resolv.conf.
  explicit Resolver(std::vector<std::string> servers);

  /// The TXT records of exactly this name, each joined from its strings; what its CNAME has counts too.
  asio::awaitable<Result<std::vector<std::string>>> texts(std::string name);
  asio::awaitable<Result<Found>> addresses(std::string name);

 private:
  std::string servers_;
  WorkerPool threads_;
};

/// Whether the text is a server as Resolver takes it.
bool is_resolver(std::string_view text);

}  // namespace tiltyard::names
