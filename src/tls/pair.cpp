#include "tls/pair.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "base/text.h"
#include "base/utf8.h"

namespace tiltyard::tls {
namespace {

constexpr std::size_t kMostText = 256 * 1024, kMostKeyText = 64 * 1024, kMostNames = 1'000;
constexpr int kLongestChain = 16;
// What OpenSSL's security level 2 asks for, which is the default of Debian: RSA of 2,048 bits, P-224.
constexpr int kLeastStrength = 112;

Owned<BIO> reader(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Nobody is there to be asked for a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

std::unexpected<Error> unreadable(std::string message) {
  return fail(Code::kInvalid, "certificate-unreadable", std::move(message), last_words());
}

Result<Owned<EVP_PKEY>> read_key(const Secret& pem) {
  const auto& text = pem.reveal();
  const auto in = reader(text);
  auto* key = text.size() > kMostKeyText ? nullptr : PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr);
  if (key == nullptr) {
    return fail(Code::kInvalid, "key-unreadable",
                "The key is no private key in PEM, or it is locked with a passphrase: give it without one.",
                last_words());
  }
  return Owned<EVP_PKEY>(key);
}

Result<Chain> read_chain(BIO* in) {
  Owned<STACK_OF(X509)> chain(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(in, nullptr, no_passphrase, nullptr)) {
    sk_X509_push(chain.get(), next);
    if (sk_X509_num(chain.get()) > kLongestChain) return unreadable("The chain has more than 16 certificates.");
  }
  // The end of a file is an error like others to the library.
  if (const auto last = ERR_peek_last_error(); ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
    return unreadable("The chain behind the certificate is no PEM throughout.");
  ERR_clear_error();
  if (sk_X509_num(chain.get()) == 0) return Chain();
  return Chain(chain.release(), Freed());
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
  const int size = ASN1_STRING_length(bytes);
  if (size != 4 && size != 16) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text.data(), text.size());
  return text.data();
}

std::vector<std::string> names_in(const X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && names.size() < kMostNames; ++i) {
    const auto* each = sk_GENERAL_NAME_value(all, i);
    std::string name;
    if (each->type == GEN_DNS) {
      const auto* text = each->d.dNSName;
      name = lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                    static_cast<std::size_t>(ASN1_STRING_length(text))});
    } else if (each->type == GEN_IPADD) {
      name = address_text(each->d.iPAddress);
    }
    const bool plain = std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F; });
    if (plain && !name.empty()) names.push_back(std::move(name));
  }
  GENERAL_NAMES_free(all);
  ERR_clear_error();
  return names;
}

TimePoint time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return TimePoint(std::chrono::seconds(::timegm(&parts)));
}

std::string encoded(const X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  std::string out(reinterpret_cast<char*>(bytes), size > 0 ? static_cast<std::size_t>(size) : 0);
  OPENSSL_free(bytes);
  return out;
}

/// Has the certificate know its public key by the object that the private one is: half the memory, and at each
/// handshake nothing is left to compare.
void share_key(Owned<X509>& certificate, EVP_PKEY* key) {
  const auto before = encoded(certificate.get());
  Owned<X509> sharing(X509_dup(certificate.get()));
  if (sharing && X509_set_pubkey(sharing.get(), key) == 1 && encoded(sharing.get()) == before)
    certificate = std::move(sharing);
  ERR_clear_error();
}

/// Tried out as a handshake would: what the library's own level of security refuses is told now.
bool is_shown(const Pair& pair) {
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  const Owned<SSL> session(SSL_new(context.get()));
  return pair.show_in(session.get());
}

}  // namespace

Result<Pair> Pair::parse(std::string_view chain_pem, const Secret& key_pem) {
  if (chain_pem.size() > kMostText) return unreadable("The certificate's file is longer than 256 KiB.");
  ERR_clear_error();
  const auto in = reader(chain_pem);
  Pair made;
  made.certificate_.reset(PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr));
  if (!made.certificate_) return unreadable("There is no certificate in PEM in it.");
  auto chain = read_chain(in.get());
  if (!chain) return fail(std::move(chain.error()));
  made.chain_ = std::move(*chain);
  auto key = read_key(key_pem);
  if (!key) return fail(std::move(key.error()));
  made.key_ = std::move(*key);
  if (X509_check_private_key(made.certificate_.get(), made.key_.get()) != 1) {
    return fail(Code::kInvalid, "key-mismatch",
                "The key is not that of the certificate. The certificate must be the first in its file.", last_words());
  }
  share_key(made.certificate_, made.key_.get());
  made.names_ = names_in(made.certificate_.get());
  made.not_before_ = time_of(X509_get0_notBefore(made.certificate_.get()));
  made.not_after_ = time_of(X509_get0_notAfter(made.certificate_.get()));
  if (EVP_PKEY_get_security_bits(made.key_.get()) < kLeastStrength || !is_shown(made)) {
    return fail(Code::kInvalid, "certificate-weak",
                "The certificate's key or signature is too weak for browsers of today: use P-256, or RSA of 2048 bits "
                "and more, and SHA-256.",
                last_words());
  }
  return made;
}

std::string Pair::issuer() const {
  const auto* name = X509_get_issuer_name(certificate_.get());
  std::array<char, 256> text{};
  for (const int part : {NID_commonName, NID_organizationName}) {
    if (X509_NAME_get_text_by_NID(name, part, text.data(), text.size()) > 0) return as_utf8(text.data());
  }
  return {};
}

bool Pair::show_in(SSL* session) const {
  return SSL_use_cert_and_key(session, certificate_.get(), key_.get(), chain_.get(), 1) == 1;
}

}  // namespace tiltyard::tls
