#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "bus/bus.h"
#include "house/routes.h"
#include "net/powerdns.h"
#include "store/store.h"

namespace soci {
class session;
}
namespace tiltyard::gateway {
class Gateway;
}
namespace tiltyard::jobs {
class Service;
}
namespace tiltyard::tls {
class Certificates;
}
namespace tiltyard::config {
class Keys;
}

/// Certificates that the server fetches itself (row 2.2): ordered from an ACME CA, kept in the store, put on the shelf
/// (tls::Certificates), and renewed in time. See docs/certificates.md.
namespace tiltyard::certificates {

namespace asio = boost::asio;

/// How a name is proved to the CA.
enum class Proving { kHttp, kTlsAlpn, kDns };
/// Who writes the records that prove a name.
enum class DnsBy { kNobody, kPowerDns, kUpdate, kHook };

struct Options {
  std::string directory;  ///< URL; empty: nothing is ordered
  std::string email, ca_file, profile, eab_kid;
  Secret eab_key;
  std::vector<std::string> names;  ///< of the site's own certificate
  Proving proving = Proving::kHttp;
  DnsBy dns = DnsBy::kNobody;
  net::PowerDnsOptions powerdns;
  std::string dns_server, tsig_name, tsig_algorithm = "hmac-sha256";
  Secret tsig_key;
  std::string dns_hook;
  std::chrono::seconds dns_wait{0};  ///< between writing a record and telling the CA
};

void declare_keys(config::Keys& keys, Options& options);
/// Small letters, digits and dashes in labels, two at least; the first may be "*".
bool is_certificate_name(std::string_view name);

/// Where a certificate stands.
struct Standing {
  std::string name;  ///< of the certificate: "site", or as whoever wants it calls it
  std::vector<std::string> names;
  std::string state;  ///< waiting, ordering, good, failing
  std::string error;  ///< what failed last; empty: nothing did since the last success
  std::optional<TimePoint> not_before, not_after, next_try;
  std::string issuer;
};

/// For others who want certificates: of people's own domains. Instances share a wildcard, because public CAs give fifty
/// certificates a week to a registered domain: nobody asks for one per instance here.
class Wanted {
 public:
  virtual ~Wanted() = default;
  /// Within the caller's write: from its commit on, a certificate for these names is kept. Wanting it again with other
  /// names orders a new one; with the same ones it changes nothing. `certificate-name`, `certificate-instance`,
  /// `certificates-off` where no CA is configured.
  virtual Result<> want(soci::session& sql, const std::string& name, std::vector<std::string> names) = 0;
  /// It is shown no longer; kept for a week, so that who wants it again needs no new one.
  virtual Result<> withdraw(soci::session& sql, const std::string& name) = 0;
  /// nullopt: nobody wants one of this name.
  virtual asio::awaitable<Result<std::optional<Standing>>> standing(std::string name) = 0;
  /// `told` is called on the home loop whenever an order has succeeded or failed, and whenever one that is good was
  /// looked at. Before `start`.
  virtual void on_change(std::function<void(const std::string& name)> told) = 0;
};

struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  jobs::Service& jobs;
  const Clock& clock;
  gateway::Gateway& gateway;
  tls::Certificates& shelf;
  std::string data;             ///< the folder where the key lies that seals what is in the store
  std::string instance_domain;  ///< the gateway's: names right below it are instances'
};

std::vector<store::Migration> migrations();

/// Lives on the home loop.
class Service final : public Wanted {
 public:
  Service(const Options& options, Parts parts);
  ~Service() override;

  /// Opens the key file, declares the job. `certificates-key`.
  Result<> prepare();
  /// Puts what there is on the shelf.
  asio::awaitable<Result<>> start();
  /// Begins to order what the configuration wants.
  asio::awaitable<Result<>> open();

  Result<> want(soci::session& sql, const std::string& name, std::vector<std::string> names) override;
  Result<> withdraw(soci::session& sql, const std::string& name) override;
  asio::awaitable<Result<std::optional<Standing>>> standing(std::string name) override;
  void on_change(std::function<void(const std::string& name)> told) override;

  /// All that are wanted, and those on the shelf that others have brought.
  asio::awaitable<Result<std::vector<Standing>>> list();
  /// Orders a new one now. `certificate-unknown`, `certificates-off`; `certificate-limited` while the CA has said that
  /// it will not.
  asio::awaitable<Result<>> renew(std::string name, bus::Actor actor);
  /// What a token is answered with; nullopt: it is none of ours.
  std::optional<std::string> answer_to(std::string_view token) const;
  /// Null: none is configured.
  net::PowerDns* powerdns();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

void add_routes(house::Routes& routes, Service& service);

}  // namespace tiltyard::certificates
