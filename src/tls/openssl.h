#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

/// OpenSSL's objects, owned.
namespace tiltyard::tls {

struct Freed {
  void operator()(BIO* it) const { BIO_free_all(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(SSL* it) const { SSL_free(it); }
  void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(STACK_OF(X509) * it) const { sk_X509_pop_free(it, X509_free); }
};
template <class T>
using Owned = std::unique_ptr<T, Freed>;
using Chain = std::shared_ptr<STACK_OF(X509)>;

/// What the library has to say about the last failure of this thread; for the log.
inline std::string last_words() {
  const auto code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "" : reason;
}

}  // namespace tiltyard::tls
