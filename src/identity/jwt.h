#pragma once

#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

struct evp_pkey_st;

/// ID tokens of OpenID providers: signed JSON (RFC 7519), public keys (RFC 7517) and what must be true of the claims
/// (OpenID Connect Core 1.0, 3.1.3.7). Verification is OpenSSL's; see docs/decisions/0013. Every refusal is
/// `token-invalid`, the reason for the log in its cause.
namespace tiltyard::identity::jwt {

/// A token taken apart. Nothing in it is to be believed before `verify`.
struct Token {
  boost::json::object header, claims;
  std::string signed_part, signature;

  std::string algorithm() const;
  std::string key_id() const;
};

Result<Token> parse(std::string_view compact);

/// A provider's public key: RSA of at least 2048 bits, P-256, P-384, P-521 or Ed25519.
struct Key {
  std::string id;
  std::string algorithm;  ///< of the family that it may be used with; empty: any that fits its kind
  std::string kind;       ///< RSA, EC, OKP
  std::string curve;
  std::shared_ptr<evp_pkey_st> key;
};

/// The keys of a key set that can check signatures; others are left out.
std::vector<Key> read_keys(const boost::json::object& key_set);

/// RS, PS and ES with 256, 384 and 512, and EdDSA (RFC 7518, RFC 8037); every other algorithm, "none" above all, is
/// refused before a key is looked for.
bool known_algorithm(std::string_view algorithm);
/// HS256, HS384, HS512: whoever can check such a token can make one.
bool is_shared_secret(std::string_view algorithm);
bool fits(const Key& key, std::string_view algorithm);
Result<> verify(const Token& token, const Key& key);
Result<> verify_shared(const Token& token, const Secret& secret);

struct Expected {
  std::string issuer, client, nonce;
  std::string access_token;  ///< at_hash must be its hash, if the token has one
  TimePoint now;
};

/// Issuer, audience and authorised party, nonce, times (60 s of skew), at_hash.
Result<> check_claims(const Token& token, const Expected& expected);

/// What must be true of signed user info (Core 5.3.2), where it says it: issuer, audience, end.
Result<> check_user_info(const boost::json::object& claims, const Expected& expected);

}  // namespace tiltyard::identity::jwt
