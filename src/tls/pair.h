#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "tls/openssl.h"

namespace tiltyard::tls {

/// A certificate with its chain and its key, parsed once for all handshakes and never changed. Costs some 4.5 KB: the
/// certificate shares its public key with the private one, and the chain is shared with others (see Certificates).
class Pair {
 public:
  /// `certificate-unreadable`, `key-unreadable`, `key-mismatch`, or `certificate-weak`: what no browser takes.
  static Result<Pair> parse(std::string_view chain_pem, const Secret& key_pem);

  /// The names it is for, in small letters: "a.example", "*.b.example", or an address.
  const std::vector<std::string>& names() const { return names_; }
  TimePoint not_before() const { return not_before_; }
  TimePoint not_after() const { return not_after_; }
  std::string issuer() const;
  bool is_valid(TimePoint now) const { return not_before_ <= now && now < not_after_; }

  /// Has a session answer with it.
  bool show_in(SSL* session) const;
  /// All above the certificate itself; null: nothing.
  const Chain& chain() const { return chain_; }
  void share_chain(Chain chain) { chain_ = std::move(chain); }

 private:
  Owned<X509> certificate_;
  Owned<EVP_PKEY> key_;
  Chain chain_;
  std::vector<std::string> names_;
  TimePoint not_before_, not_after_;
};

}  // namespace tiltyard::tls
