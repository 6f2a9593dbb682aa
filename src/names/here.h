#pragma once

#include <memory>
#include <string>

#include "certificates/certificates.h"
#include "gateway/gateway.h"
#include "labs/capability.h"
#include "names/dns.h"
#include "names/names.h"
#include "net/powerdns.h"
#include "tls/certificates.h"

namespace tiltyard::names {

/// The real surroundings: labs, the gateway, a PowerDNS, the DNS, and whoever fetches certificates.
class Here final : public Outside {
 public:
  struct Parts {
    const Options& options;
    labs::Service& labs;
    gateway::Gateway& gateway;
    store::Store& store;
    const tls::Certificates& shelf;
    net::PowerDns* powerdns;       ///< null: none is configured
    certificates::Wanted* wanted;  ///< null: nothing is fetched
    std::string target;            ///< where names are to lead
  };
  explicit Here(Parts parts);

  Target target(const Name& name) const override;
  std::optional<InstanceId> successor(const Name& name) const override;
  asio::awaitable<Result<>> route(Name name) override;
  asio::awaitable<Result<>> unroute(std::string host) override;
  bool records() const override { return parts_.options.records && parts_.powerdns != nullptr; }
  asio::awaitable<Result<>> write_record(std::string host) override;
  asio::awaitable<Result<>> drop_record(std::string host) override;
  bool certificates(const Name& name) const override;
  asio::awaitable<Result<>> want_certificate(Name name) override;
  asio::awaitable<Result<>> release_certificate(std::string host) override;
  asio::awaitable<Seen> look(Name name) override;

 private:
  asio::awaitable<Result<>> put_record(std::string host, bool there);
  asio::awaitable<Check> ownership(Name name);
  asio::awaitable<Check> address(std::string host);

  Parts parts_;
  std::unique_ptr<Resolver> resolver_;  ///< null: there are no own domains
};

}  // namespace tiltyard::names
