#include "certificates/x509.h"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/base64url.h"
#include "base/text.h"
#include "certificates/openssl.h"

namespace tiltyard::certificates {
namespace {

using KeyId = std::unique_ptr<AUTHORITY_KEYID, Freed<AUTHORITY_KEYID_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Octets = std::unique_ptr<ASN1_OCTET_STRING, Freed<ASN1_OCTET_STRING_free>>;
using Oid = std::unique_ptr<ASN1_OBJECT, Freed<ASN1_OBJECT_free>>;
struct FreeExtensions {
  void operator()(STACK_OF(X509_EXTENSION) * all) const { sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free); }
};
using Extensions = std::unique_ptr<STACK_OF(X509_EXTENSION), FreeExtensions>;

/// id-pe-acmeIdentifier (RFC 8737, 6.1).
constexpr char kAcmeIdentifier[] = "1.3.6.1.5.5.7.1.31";
constexpr std::size_t kLongestChain = 256 * 1024;

std::unexpected<Error> broken(const char* what) {
  return fail(Code::kInternal, "openssl-failed", "A key or certificate could not be made.", what);
}
std::unexpected<Error> unfit(std::string what) {
  return fail(Code::kUnavailable, "certificate-unfit", std::move(what));
}

X509Ref first_of(std::string_view chain) {
  if (chain.size() > kLongestChain) return {};
  const Bio bio(BIO_new_mem_buf(chain.data(), static_cast<int>(chain.size())));
  return X509Ref(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

/// "DNS:a.example,DNS:b.example", as OpenSSL's configuration has it. Our names have letters, digits, dots, dashes and
/// an asterisk, so nothing of it can be read as something else.
Extension alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "DNS:" : ",DNS:") + name;
  return Extension(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, text.data()));
}

std::string ari_id_of(X509& certificate) {
  const KeyId key(
      static_cast<AUTHORITY_KEYID*>(X509_get_ext_d2i(&certificate, NID_authority_key_identifier, nullptr, nullptr)));
  if (!key || key->keyid == nullptr) return {};
  const std::string id(reinterpret_cast<const char*>(ASN1_STRING_get0_data(key->keyid)),
                       static_cast<std::size_t>(ASN1_STRING_length(key->keyid)));
  // The content of the serial's DER: two's complement, so a leading zero where the first bit is set.
  const auto* serial = X509_get0_serialNumber(&certificate);
  std::string number(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
                     static_cast<std::size_t>(ASN1_STRING_length(serial)));
  if (number.empty() || (static_cast<unsigned char>(number.front()) & 0x80) != 0) number.insert(0, 1, '\0');
  return base64url(id) + "." + base64url(number);
}

}  // namespace

std::string written_in(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

KeyRef private_key(const Secret& pem) {
  const Bio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.reveal().size())));
  // An empty password: OpenSSL asks the terminal otherwise.
  EVP_PKEY* key = bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")) : nullptr;
  return key == nullptr ? KeyRef() : KeyRef(key, EVP_PKEY_free);
}

Secret pem_of(EVP_PKEY& key) {
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!bio || PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) return Secret();
  return Secret(written_in(*bio));
}

Result<Secret> new_key() {
  const KeyRef key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  if (!key) return broken("EVP_EC_gen");
  return pem_of(*key);
}

Result<std::string> signing_request(const Secret& key_pem, const std::vector<std::string>& names) {
  const auto key = private_key(key_pem);
  const RequestRef request(X509_REQ_new());
  const Extensions extensions(sk_X509_EXTENSION_new_null());
  auto alternative = alternative_names(names);
  if (!key || !request || !extensions || !alternative) return broken("a request's parts");
  sk_X509_EXTENSION_push(extensions.get(), alternative.release());
  if (X509_REQ_set_version(request.get(), 0) != 1 || X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return broken("a request");
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  if (size <= 0) return broken("a request's DER");
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string ari_id(std::string_view chain_pem) {
  const auto certificate = first_of(chain_pem);
  return certificate ? ari_id_of(*certificate) : std::string();
}

Result<tls::Pair> fitting(std::string_view chain_pem, const Secret& key_pem, const std::vector<std::string>& names,
                          TimePoint now) {
  auto pair = tls::Pair::parse(chain_pem, key_pem);
  if (!pair) return pair;
  for (const auto& name : names) {
    if (std::ranges::find(pair->names(), name) == pair->names().end())
      return unfit(fmt::format("The certificate that came is not for {}.", name));
  }
  if (pair->not_after() <= now)
    return unfit(fmt::format("The certificate that came has ended at {}.", to_rfc3339(pair->not_after())));
  return pair;
}

Result<Presented> challenge_certificate(const std::string& name, std::string_view key_authorization) {
  const KeyRef key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const X509Ref certificate(X509_new());
  const Octets inner(ASN1_OCTET_STRING_new());
  const Oid oid(OBJ_txt2obj(kAcmeIdentifier, 1));
  const auto alternative = alternative_names({name});
  if (!key || !certificate || !inner || !oid || !alternative) return broken("a challenge's parts");
  const auto hash = sha256(key_authorization);
  // The extension's value is itself an OCTET STRING: a header of two bytes, then the digest.
  const std::string value = std::string("\x04\x20", 2) + hash;
  ASN1_OCTET_STRING_set(inner.get(), bytes_of(std::string_view(value)), static_cast<int>(value.size()));
  const Extension extension(X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 1, inner.get()));
  auto* subject = X509_get_subject_name(certificate.get());
  constexpr long kFor = 7L * 24 * 3600, kSkew = -3600;
  const bool made = extension && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1) == 1 &&
                    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                               bytes_of(std::string_view("ACME challenge")), -1, -1, 0) == 1 &&
                    X509_set_issuer_name(certificate.get(), subject) == 1 &&
                    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), kSkew) != nullptr &&
                    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kFor) != nullptr &&
                    X509_set_pubkey(certificate.get(), key.get()) == 1 &&
                    X509_add_ext(certificate.get(), alternative.get(), -1) == 1 &&
                    X509_add_ext(certificate.get(), extension.get(), -1) == 1 &&
                    X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0;
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!made || !bio || PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return broken("a challenge certificate");
  return Presented{written_in(*bio), pem_of(*key)};
}

}  // namespace tiltyard::certificates
