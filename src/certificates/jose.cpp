#include "certificates/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>

#include "base/base64url.h"
#include "certificates/openssl.h"

namespace tiltyard::certificates {
namespace {

namespace json = boost::json;

constexpr int kCoordinate = 32;  ///< bytes of P-256's numbers

std::unexpected<Error> unreadable(const char* what) {
  return fail(Code::kInternal, "key-unreadable", "The ACME account's key cannot be used.", what);
}

std::string coordinate(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return {};
  const Number owned(number);
  std::string out(kCoordinate, '\0');
  if (BN_bn2binpad(number, bytes_of(out), kCoordinate) != kCoordinate) return {};
  return out;
}

std::string flattened(const json::object& protected_fields, std::string_view payload, std::string& signing_input) {
  const auto head = base64url(json::serialize(protected_fields));
  const auto body = payload.empty() ? std::string() : base64url(payload);
  signing_input = head + "." + body;
  return R"({"protected":")" + head + R"(","payload":")" + body + R"(","signature":")";
}

}  // namespace

AccountKey::AccountKey(std::shared_ptr<evp_pkey_st> key, std::string jwk)
    : key_(std::move(key)), jwk_(std::move(jwk)), thumbprint_(base64url(sha256(jwk_))) {}

Result<AccountKey> AccountKey::of(std::shared_ptr<evp_pkey_st> key) {
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (!key || EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &size) != 1 ||
      std::string_view(group.data(), size) != "prime256v1")
    return unreadable("not a P-256 key");
  const auto x = coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_X), y = coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y);
  if (x.empty() || y.empty()) return unreadable("it has no public half");
  return AccountKey(std::move(key),
                    R"({"crv":"P-256","kty":"EC","x":")" + base64url(x) + R"(","y":")" + base64url(y) + R"("})");
}

Result<AccountKey> AccountKey::make() { return of({EVP_EC_gen("P-256"), EVP_PKEY_free}); }

Result<AccountKey> AccountKey::from_pem(const Secret& pem) { return of(private_key(pem)); }

Secret AccountKey::pem() const { return pem_of(*key_); }

Result<std::string> AccountKey::sign(std::string_view bytes) const {
  const Digest digest(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (!digest || EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(digest.get(), nullptr, &size, bytes_of(bytes), bytes.size()) != 1)
    return unreadable("it does not sign");
  std::string der(size, '\0');
  if (EVP_DigestSign(digest.get(), bytes_of(der), &size, bytes_of(bytes), bytes.size()) != 1)
    return unreadable("it does not sign");
  // OpenSSL writes ASN.1; JWS wants the two numbers (RFC 7518, 3.4).
  const auto* at = bytes_of(std::string_view(der));
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  std::string out(2 * kCoordinate, '\0');
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes_of(out), kCoordinate) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes_of(out) + kCoordinate, kCoordinate) < 0)
    return unreadable("its signature is none");
  return out;
}

std::string key_authorization(std::string_view token, const AccountKey& key) {
  return std::string(token) + "." + key.thumbprint();
}

Result<std::string> signed_body(const AccountKey& key, std::string_view kid, std::string_view nonce,
                                std::string_view url, std::string_view payload) {
  json::object head{{"alg", "ES256"}, {"nonce", nonce}, {"url", url}};
  if (kid.empty()) head["jwk"] = json::parse(key.jwk());
  else head["kid"] = kid;
  std::string input;
  auto text = flattened(head, payload, input);
  const auto signature = key.sign(input);
  if (!signature) return fail(signature.error());
  return text + base64url(*signature) + R"("})";
}

Result<std::string> external_binding(const AccountKey& key, std::string_view kid, const Secret& mac_key,
                                     std::string_view url) {
  const auto raw = from_base64url(mac_key.reveal());
  if (!raw) return fail(Code::kInvalid, "eab-key", "acme.eab_key must be base64url, as the CA gives it out.");
  std::string input;
  auto text = flattened({{"alg", "HS256"}, {"kid", kid}, {"url", url}}, key.jwk(), input);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), raw->data(), static_cast<int>(raw->size()), bytes_of(std::string_view(input)), input.size(),
       mac.data(), &size);
  return text + base64url({reinterpret_cast<const char*>(mac.data()), size}) + R"("})";
}

}  // namespace tiltyard::certificates
