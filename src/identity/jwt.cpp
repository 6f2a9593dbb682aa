#include "identity/jwt.h"

#include <fmt/core.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/base64url.h"
#include "base/json.h"

namespace tiltyard::identity::jwt {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongest = 16 * 1024;
constexpr std::int64_t kSkew = 60;  ///< seconds that clocks may differ
constexpr int kLeastRsaBits = 2048;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using KeyRef = std::shared_ptr<evp_pkey_st>;

std::unexpected<Error> invalid(std::string cause) {
  return fail(Code::kUnauthenticated, "token-invalid", "The provider's answer could not be believed. Sign in again.",
              std::move(cause));
}

Result<json::object> object_of(std::string_view part, const char* what) {
  const auto text = from_base64url(part);
  if (!text) return invalid(std::string(what) + " is not base64url");
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  auto value = json::parse(*text, error, {}, options);
  if (error || !value.is_object()) return invalid(std::string(what) + " is not a JSON object");
  return std::move(value.get_object());
}

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

KeyRef owned(EVP_PKEY* key) { return key == nullptr ? KeyRef() : KeyRef(key, EVP_PKEY_free); }

KeyRef from_params(const char* kind, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return {};
  }
  return owned(key);
}

KeyRef rsa_key(const json::object& jwk) {
  const auto modulus = from_base64url(text_of(jwk, "n"));
  const auto exponent = from_base64url(text_of(jwk, "e"));
  if (!modulus || !exponent || modulus->size() > 1024 || exponent->size() > 8) return {};
  const Number n(BN_bin2bn(bytes(*modulus), static_cast<int>(modulus->size()), nullptr));
  const Number e(BN_bin2bn(bytes(*exponent), static_cast<int>(exponent->size()), nullptr));
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || BN_num_bits(n.get()) < kLeastRsaBits) return {};
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return {};
  }
  return from_params("RSA", builder.get());
}

struct Curve {
  std::string_view name;  ///< as a JWK has it
  const char* group;      ///< as OpenSSL has it
  std::size_t size;       ///< of a coordinate, in bytes
};
constexpr std::array<Curve, 3> kCurves = {
    {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}}};

KeyRef curve_key(const json::object& jwk) {
  const auto* curve = std::ranges::find(kCurves, text_of(jwk, "crv"), &Curve::name);
  const auto x = from_base64url(text_of(jwk, "x"));
  const auto y = from_base64url(text_of(jwk, "y"));
  if (curve == kCurves.end() || !x || !y || x->size() != curve->size || y->size() != curve->size) return {};
  const std::string point = "\x04" + *x + *y;  // SEC 1, 2.3.3: uncompressed
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return {};
  }
  return from_params("EC", builder.get());
}

KeyRef edwards_key(const json::object& jwk) {
  const auto x = from_base64url(text_of(jwk, "x"));
  if (text_of(jwk, "crv") != "Ed25519" || !x || x->size() != 32) return {};
  return owned(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(*x), x->size()));
}

struct Algorithm {
  std::string_view name, kind, curve;
  const EVP_MD* (*hash)();  ///< null: the signature has its own
};
// RFC 7518, 3.1; RFC 8037, 3.1 and RFC 9864, 2.2 for the last two, which are the same.
constexpr std::array<Algorithm, 11> kAlgorithms = {{{"RS256", "RSA", "", EVP_sha256},
                                                    {"RS384", "RSA", "", EVP_sha384},
                                                    {"RS512", "RSA", "", EVP_sha512},
                                                    {"PS256", "RSA", "", EVP_sha256},
                                                    {"PS384", "RSA", "", EVP_sha384},
                                                    {"PS512", "RSA", "", EVP_sha512},
                                                    {"ES256", "EC", "P-256", EVP_sha256},
                                                    {"ES384", "EC", "P-384", EVP_sha384},
                                                    {"ES512", "EC", "P-521", EVP_sha512},
                                                    {"EdDSA", "OKP", "Ed25519", nullptr},
                                                    {"Ed25519", "OKP", "Ed25519", nullptr}}};
constexpr std::array<Algorithm, 3> kShared = {
    {{"HS256", "oct", "", EVP_sha256}, {"HS384", "oct", "", EVP_sha384}, {"HS512", "oct", "", EVP_sha512}}};

const Algorithm* find_in(std::span<const Algorithm> list, std::string_view name) {
  const auto found = std::ranges::find(list, name, &Algorithm::name);
  return found == list.end() ? nullptr : &*found;
}

/// JWS has the two numbers side by side (RFC 7518, 3.4); OpenSSL wants them in DER.
std::optional<std::string> ecdsa_der(std::string_view raw, std::size_t each) {
  if (raw.size() != 2 * each) return std::nullopt;
  const int size_of_one = static_cast<int>(each);
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  Number r(BN_bin2bn(bytes(raw), size_of_one, nullptr)), s(BN_bin2bn(bytes(raw) + each, size_of_one, nullptr));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return std::nullopt;
  // The pair has them now.
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return std::nullopt;
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool right_signature(const Token& token, const Algorithm& algorithm, EVP_PKEY* key) {
  const Digest digest(EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;
  const EVP_MD* hash = algorithm.hash == nullptr ? nullptr : algorithm.hash();
  if (!digest || EVP_DigestVerifyInit(digest.get(), &context, hash, nullptr, key) != 1) return false;
  if (algorithm.name.starts_with("PS")) {
    if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) != 1) {
      return false;
    }
  }
  std::string signature = token.signature;
  if (algorithm.kind == "EC") {
    auto der = ecdsa_der(signature, std::ranges::find(kCurves, algorithm.curve, &Curve::name)->size);
    if (!der) return false;
    signature = std::move(*der);
  }
  return EVP_DigestVerify(digest.get(), bytes(signature), signature.size(), bytes(token.signed_part),
                          token.signed_part.size()) == 1;
}

/// A key's own "alg" holds for its family: "RS256" says nothing against the same signature over a longer hash.
bool may_sign(const Key& key, const Algorithm& algorithm) {
  const auto* own = find_in(kAlgorithms, key.algorithm);
  const bool family = key.algorithm.empty() || (own != nullptr && own->kind == algorithm.kind &&
                                                (own->kind != "RSA" || own->name[0] == algorithm.name[0]));
  return family && key.kind == algorithm.kind && (algorithm.curve.empty() || key.curve == algorithm.curve);
}

/// The hash that the algorithm is made with; Ed25519 is SHA-512's.
std::string hash_of(std::string_view algorithm, std::string_view text) {
  const auto* known = find_in(kAlgorithms, algorithm);
  if (known == nullptr) known = find_in(kShared, algorithm);
  const EVP_MD* hash = known == nullptr || known->hash == nullptr ? EVP_sha512() : known->hash();
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size, hash, nullptr) != 1)
    return {};
  out.resize(size);
  return out;
}

/// A time claim in whole seconds; nullopt: not there or no number.
std::optional<std::int64_t> seconds_of(const json::object& claims, std::string_view name) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  if (value->is_double()) {
    const double seconds = value->get_double();
    if (!(seconds > -1e15 && seconds < 1e15)) return std::nullopt;
    return static_cast<std::int64_t>(seconds);
  }
  boost::system::error_code error;
  const auto seconds = value->to_number<std::int64_t>(error);
  if (error) return std::nullopt;
  return seconds;
}

Result<> check_audience(const json::object& claims, const std::string& client) {
  const auto* audience = claims.if_contains("aud");
  if (audience == nullptr) return invalid("no aud");
  if (audience->is_string()) {
    if (audience->get_string() != client) return invalid("aud is another client");
  } else if (const auto* list = audience->if_array()) {
    const auto ours = [&](const json::value& one) { return one.is_string() && one.get_string() == client; };
    if (std::ranges::none_of(*list, ours)) return invalid("aud is another client");
  } else {
    return invalid("aud is neither a text nor a list");
  }
  if (claims.contains("azp") && text_of(claims, "azp") != client) return invalid("azp is another client");
  return {};
}

Result<> check_times(const json::object& claims, TimePoint now) {
  const auto at = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  const auto ends = seconds_of(claims, "exp");
  const auto issued = seconds_of(claims, "iat");
  if (!ends || !issued) return invalid("no exp or no iat");
  if (at - kSkew >= *ends) return invalid("expired");
  if (*issued > at + kSkew) return invalid("issued in the future");
  if (claims.contains("nbf")) {
    const auto begins = seconds_of(claims, "nbf");
    if (!begins || *begins > at + kSkew) return invalid("not valid yet");
  }
  return {};
}

}  // namespace

std::string Token::algorithm() const { return text_of(header, "alg"); }
std::string Token::key_id() const { return text_of(header, "kid"); }

Result<Token> parse(std::string_view compact) {
  if (compact.size() > kLongest) return invalid("the token is too long");
  const auto first = compact.find('.');
  const auto last = compact.rfind('.');
  if (first == std::string_view::npos || first == last) return invalid("not a signed token");
  auto header = object_of(compact.substr(0, first), "the header");
  if (!header) return fail(std::move(header.error()));
  auto claims = object_of(compact.substr(first + 1, last - first - 1), "the claims");
  if (!claims) return fail(std::move(claims.error()));
  if (header->contains("crit")) return invalid("the header has critical extensions");
  auto signature = from_base64url(compact.substr(last + 1));
  if (!signature) return invalid("no signature");
  return Token{std::move(*header), std::move(*claims), std::string(compact.substr(0, last)), std::move(*signature)};
}

std::vector<Key> read_keys(const json::object& key_set) {
  std::vector<Key> keys;
  const auto* list = key_set.if_contains("keys");
  if (list == nullptr || !list->is_array()) return keys;
  constexpr std::size_t kMost = 50;
  for (const auto& entry : list->get_array()) {
    const auto* jwk = entry.if_object();
    if (jwk == nullptr || keys.size() == kMost) continue;
    const auto use = text_of(*jwk, "use");
    if (!use.empty() && use != "sig") continue;
    Key key{text_of(*jwk, "kid"), text_of(*jwk, "alg"), text_of(*jwk, "kty"), text_of(*jwk, "crv"), {}};
    if (key.kind == "RSA") key.key = rsa_key(*jwk);
    if (key.kind == "EC") key.key = curve_key(*jwk);
    if (key.kind == "OKP") key.key = edwards_key(*jwk);
    if (key.key) keys.push_back(std::move(key));
  }
  return keys;
}

bool known_algorithm(std::string_view algorithm) { return find_in(kAlgorithms, algorithm) != nullptr; }
bool is_shared_secret(std::string_view algorithm) { return find_in(kShared, algorithm) != nullptr; }

bool fits(const Key& key, std::string_view algorithm) {
  const auto* known = find_in(kAlgorithms, algorithm);
  return known != nullptr && may_sign(key, *known);
}

Result<> verify(const Token& token, const Key& key) {
  const auto* algorithm = find_in(kAlgorithms, token.algorithm());
  if (algorithm == nullptr) return invalid("the algorithm is not one of ours");
  // The key says what it is for: a public key must never be taken for a shared secret, nor for another kind's.
  if (!may_sign(key, *algorithm)) return invalid("the algorithm is not the key's");
  if (!right_signature(token, *algorithm, key.key.get())) return invalid("the signature is wrong");
  return {};
}

Result<> verify_shared(const Token& token, const Secret& secret) {
  const auto* algorithm = find_in(kShared, token.algorithm());
  if (algorithm == nullptr || secret.empty()) return invalid("the algorithm is not one of ours");
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  const auto& key = secret.reveal();
  const bool made = HMAC(algorithm->hash(), key.data(), static_cast<int>(key.size()), bytes(token.signed_part),
                         token.signed_part.size(), mac.data(), &size) != nullptr;
  if (!made || token.signature.size() != size || sodium_memcmp(token.signature.data(), mac.data(), size) != 0)
    return invalid("the signature is wrong");
  return {};
}

Result<> check_user_info(const json::object& claims, const Expected& expected) {
  if (claims.contains("iss") && text_of(claims, "iss") != expected.issuer) return invalid("iss is another issuer");
  if (claims.contains("aud")) {
    if (auto ours = check_audience(claims, expected.client); !ours) return ours;
  }
  if (!claims.contains("exp")) return {};
  const auto ends = seconds_of(claims, "exp");
  const auto at = std::chrono::floor<std::chrono::seconds>(expected.now.time_since_epoch()).count();
  return ends && at - kSkew < *ends ? Result<>{} : invalid("expired");
}

Result<> check_claims(const Token& token, const Expected& expected) {
  const auto& claims = token.claims;
  if (text_of(claims, "iss") != expected.issuer) {
    return invalid(fmt::format("iss is \"{}\" and not \"{}\"", text_of(claims, "iss").substr(0, 200), expected.issuer));
  }
  if (text_of(claims, "sub").empty() || text_of(claims, "sub").size() > 255)
    return invalid("no sub, or too long a one");
  if (auto ours = check_audience(claims, expected.client); !ours) return ours;
  if (auto timely = check_times(claims, expected.now); !timely) return timely;
  const auto nonce = text_of(claims, "nonce");
  if (nonce.size() != expected.nonce.size() || sodium_memcmp(nonce.data(), expected.nonce.data(), nonce.size()) != 0) {
    return invalid("the nonce is not the one of this sign-in");
  }
  if (claims.contains("at_hash")) {
    // Core 3.1.3.6: the left half of the hash that the signature uses.
    const auto hash = hash_of(token.algorithm(), expected.access_token);
    if (text_of(claims, "at_hash") != base64url(std::string_view(hash).substr(0, hash.size() / 2))) {
      return invalid("at_hash is of another access token");
    }
  }
  return {};
}

}  // namespace tiltyard::identity::jwt
