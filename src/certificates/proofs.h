#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/turn.h"
#include "certificates/certificates.h"
#include "certificates/dns.h"
#include "certificates/rows.h"

namespace tiltyard::certificates {

/// What is shown to the CA while orders are open. All of it stands in the store first: after a crash it is shown again,
/// and taken away by whoever ends the order. Lives on the home loop.
class Proofs {
 public:
  Proofs(Parts parts, std::unique_ptr<Dns> dns);

  /// Shows what the store has.
  asio::awaitable<Result<>> load();
  /// When it has completed, the CA can find it. Errors: the store's and the DNS's; `dns-nobody` where nobody writes
  /// records.
  asio::awaitable<Result<>> show(rows::Proof proof);
  /// All of one certificate's. What DNS does not let go of is logged: the next order of the name sets all of it anew.
  asio::awaitable<void> take_away(std::string certificate);
  /// http-01's.
  const std::string* answer_to(const std::string& token) const;

 private:
  asio::awaitable<Result<>> refresh();
  asio::awaitable<Result<>> put_dns(std::string name, std::vector<std::string> added, std::vector<std::string> taken);
  Result<> show_tls(const std::string& name, const std::string& key_authorization);

  Parts parts_;
  std::unique_ptr<Dns> dns_;
  std::map<std::string, std::string> answers_;  ///< by token
  Turn turn_;
};

}  // namespace tiltyard::certificates
