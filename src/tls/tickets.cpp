#include "tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>

namespace tiltyard::tls {

TicketKeys::TicketKeys() : aes_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {}

bool TicketKeys::rotate(Time now) {
  if (now_.made && now - now_.since < kLife) return true;
  Key next;
  for (auto* part : {&next.cipher, &next.mac}) {
    if (RAND_bytes(part->data(), static_cast<int>(part->size())) != 1) return false;
  }
  if (RAND_bytes(next.name.data(), static_cast<int>(next.name.size())) != 1) return false;
  // After a long silence the last key is too old as well.
  if (now_.made) now_.made = now - now_.since < 2 * kLife;
  before_ = now_;
  next.since = now;
  next.made = true;
  now_ = next;
  return true;
}

int TicketKeys::use(Time now, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                    bool seal) {
  Key key;
  int done = 1;
  {
    const std::lock_guard lock(mutex_);
    if (!rotate(now)) return -1;
    key = now_;
    if (!seal && !std::equal(now_.name.begin(), now_.name.end(), name)) {
      if (!before_.made || !std::equal(before_.name.begin(), before_.name.end(), name)) return 0;
      key = before_;
      done = 2;
    }
  }
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> terms{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, terms.data()) != 1) return -1;
  if (!seal) return EVP_DecryptInit_ex2(cipher, aes_.get(), key.cipher.data(), iv, nullptr) == 1 ? done : -1;
  std::ranges::copy(key.name, name);
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes_.get())) != 1) return -1;
  return EVP_EncryptInit_ex2(cipher, aes_.get(), key.cipher.data(), iv, nullptr) == 1 ? done : -1;
}

}  // namespace tiltyard::tls
