#pragma once

#include <boost/asio/ip/address.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tiltyard::net {

namespace asio = boost::asio;

/// A set of address ranges. IPv4 and its IPv6-mapped form are the same address.
class Networks {
 public:
  /// Reads CIDRs and single addresses; `invalid-network` names the one that is neither.
  static Result<Networks> parse(const std::vector<std::string>& ranges);
  bool contains(const asio::ip::address& address) const;

 private:
  struct Range {
    std::array<unsigned char, 16> prefix{};
    int bits = 0;  ///< of the 128
  };
  std::vector<Range> ranges_;
};

/// Reads an address; IPv6-mapped IPv4 becomes IPv4, a zone is dropped. nullopt: not an address.
std::optional<asio::ip::address> parse_address(std::string_view text);

}  // namespace tiltyard::net
