#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "certificates/certificates.h"

namespace tiltyard::certificates {

/// Writes the TXT records that prove names (dns-01). Lives on the home loop; one call at a time.
class Dns {
 public:
  virtual ~Dns() = default;
  /// Makes `all` the texts of the name: `added` is new in it, `taken` was in it. A name has one set for all orders that
  /// are open, because its own certificate and that of its wildcard use the same one.
  virtual asio::awaitable<Result<>> put(std::string name, std::vector<std::string> all, std::vector<std::string> added,
                                        std::vector<std::string> taken) = 0;
};

/// Null: nobody writes any. Both outlive it.
std::unique_ptr<Dns> make_dns(const Options& options, net::PowerDns* powerdns);

/// What nsupdate(1) reads to make these the texts of the name (RFC 2136, with TSIG where there is a key).
std::string update_script(const Options& options, const std::string& name, const std::vector<std::string>& texts);

}  // namespace tiltyard::certificates
