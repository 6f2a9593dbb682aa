#pragma once

#include <boost/asio/ip/address.hpp>

#include <string>
#include <vector>

#include "base/result.h"
#include "net/networks.h"

namespace tiltyard::net {

namespace reason {
inline constexpr char kTargetRefused[] = "target-refused";
}

/// Ranges that nothing is called at for somebody else: this host, link-local with the metadata services of clouds,
/// and what stands for no host or many.
const std::vector<std::string>& closed_ranges();
/// How the names of interfaces begin behind which machines and containers are.
const std::vector<std::string>& machine_interfaces();

/// Where the server connects when an address comes from staff or from another server, and not from the operator's own
/// files: everywhere but to this host, link-local and metadata addresses, and what lies behind bridges of machines and
/// containers. What the configuration lists (server.allow_targets) may be called all the same. Asked for each address
/// after names were looked up, right before the connection is made: a name that changes its mind leads nowhere else.
class Reach {
 public:
  /// `invalid-network` names the range that is none.
  static Result<Reach> make(const std::vector<std::string>& allowed);
  /// `target-refused`. Looks at the host's interfaces.
  Result<> check(const asio::ip::address& address) const;

 private:
  Networks allowed_, closed_;
};

}  // namespace tiltyard::net
