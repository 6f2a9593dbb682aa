#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/isolation/limits.h"

namespace tiltyard::engine::isolation {

namespace asio = boost::asio;

struct FirewallOptions {
  std::string nft = "nft";         ///< the program, found along PATH
  std::string table = "tiltyard";  ///< of family inet
  /// What says whether frames between the ports of one bridge pass the IP hooks.
  std::string bridge_hook = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  std::string bridge_hook6 = "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
  MachineLimits limits;
};

/// Our nftables table, in force and kept in force. It goes by the names of bridges alone, so that several servers share
/// it, with the limits of the one that began last, and a spawn changes nothing in it. Machines reach neither the host
/// nor private addresses nor other instances; those on egress bridges reach public addresses; only the host opens
/// connections to machines. A change by somebody else is seen through the kernel's notifications (and, should these
/// fail, by looking every second) and put right. Needs CAP_NET_ADMIN. Belongs to one loop; nft runs on a worker thread.
class Firewall {
 public:
  Firewall(asio::any_io_executor executor, FirewallOptions options);
  ~Firewall();

  /// Microseconds when in force; otherwise loads the table first. `isolation-missing` when that cannot be done.
  asio::awaitable<Result<>> ensure();
  /// What is known at this moment.
  bool in_force() const;
  /// Starts to watch for changes; the first `ensure` does so as well.
  void run();
  asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Puts the table in force once, without a server: for boot. Blocks, at most some seconds; `isolation-missing`.
Result<> load_firewall(const FirewallOptions& options);

/// The table's text as loaded: `nft -f`. Pure.
std::string firewall_rules(const std::string& table, const MachineLimits& limits);

/// A listing of the table without what may differ between servers that share it: the limits' numbers. Pure.
std::string without_numbers(std::string_view listing);

}  // namespace tiltyard::engine::isolation
