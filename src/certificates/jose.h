#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

struct evp_pkey_st;

/// What an ACME request is signed with (RFC 8555, 6.2): flattened JWS (RFC 7515) with ES256 (RFC 7518, 3.4).
namespace tiltyard::certificates {

/// An account's key: P-256.
class AccountKey {
 public:
  static Result<AccountKey> make();
  /// `key-unreadable`: no P-256 key.
  static Result<AccountKey> from_pem(const Secret& pem);

  Secret pem() const;
  /// The public half as a JWK, its members in the order that a thumbprint needs (RFC 7638, 3.2).
  const std::string& jwk() const { return jwk_; }
  const std::string& thumbprint() const { return thumbprint_; }
  /// r and s, 32 bytes each.
  Result<std::string> sign(std::string_view bytes) const;

 private:
  AccountKey(std::shared_ptr<evp_pkey_st> key, std::string jwk);
  static Result<AccountKey> of(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  std::string jwk_, thumbprint_;
};

/// What a challenge's token is answered with (RFC 8555, 8.1).
std::string key_authorization(std::string_view token, const AccountKey& key);

/// A request's body. `kid` is the account's URL; empty: the key itself is in it (newAccount). An empty payload is
/// POST-as-GET.
Result<std::string> signed_body(const AccountKey& key, std::string_view kid, std::string_view nonce,
                                std::string_view url, std::string_view payload);

/// Binds the account to one that the CA has given a key for (RFC 8555, 7.3.4): HS256 over the account's JWK. `mac_key`
/// is base64url; `eab-key` when it is not.
Result<std::string> external_binding(const AccountKey& key, std::string_view kid, const Secret& mac_key,
                                     std::string_view url);

}  // namespace tiltyard::certificates
