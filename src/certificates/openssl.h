#pragma once

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/secret.h"

/// OpenSSL's things with their ends; for the .cpp files of this folder.
namespace tiltyard::certificates {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ref = std::unique_ptr<X509, Freed<X509_free>>;
using RequestRef = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using KeyRef = std::shared_ptr<EVP_PKEY>;

inline unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// What was written into a memory BIO.
std::string written_in(BIO& bio);
/// Null: there is no private key in it.
KeyRef private_key(const Secret& pem);
Secret pem_of(EVP_PKEY& key);

}  // namespace tiltyard::certificates
