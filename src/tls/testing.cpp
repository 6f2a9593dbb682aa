#include "tls/testing.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "tls/openssl.h"

namespace tiltyard::tls::testing {
namespace {

using Key = Owned<EVP_PKEY>;

void set_name(X509_NAME* name, const std::string& text) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1,
                             0);
}

void add(X509* to, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, to, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

Owned<X509> blank(const std::string& subject, const std::string& issuer, EVP_PKEY* key, const Wishes& wishes) {
  static std::atomic<long> serial{1};
  Owned<X509> made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), wishes.from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wishes.to_seconds);
  X509_set_pubkey(made.get(), key);
  set_name(X509_get_subject_name(made.get()), subject);
  set_name(X509_get_issuer_name(made.get()), issuer);
  return made;
}

template <class Write>
std::string pem(Write write) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  write(out.get());
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  return pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
}

}  // namespace

Made make(const Wishes& wishes) {
  const Key key(wishes.rsa_bits > 0 ? EVP_RSA_gen(static_cast<unsigned>(wishes.rsa_bits)) : EVP_EC_gen("P-256"));
  const Key above(EVP_EC_gen("P-256"));
  const bool alone = wishes.issuer.empty();
  const auto leaf = blank("test", alone ? "test" : wishes.issuer, key.get(), wishes);
  std::string names;
  for (const auto& name : wishes.names) names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) add(leaf.get(), NID_subject_alt_name, names);
  X509_sign(leaf.get(), alone ? key.get() : above.get(), EVP_sha256());
  Made made{pem_of(leaf.get()), {}};
  if (!alone) {
    const auto authority = blank(wishes.issuer, wishes.issuer, above.get(), wishes);
    add(authority.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(authority.get(), above.get(), EVP_sha256());
    made.chain += pem_of(authority.get());
  }
  made.key =
      Secret(pem([&](BIO* out) { PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); }));
  return made;
}

}  // namespace tiltyard::tls::testing
