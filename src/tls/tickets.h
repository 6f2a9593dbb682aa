#pragma once

#include <array>
#include <chrono>
#include <mutex>

#include "tls/openssl.h"

namespace tiltyard::tls {

/// The keys that session tickets are sealed with (RFC 5077 section 4, RFC 8446 section 4.6.1): a new one every twelve
/// hours, on first use; the one before opens what it has sealed, for as long again. They are nowhere but in memory, so
/// that what was said cannot be read later. Any thread.
class TicketKeys {
 public:
  static constexpr std::chrono::hours kLife{12};
  using Time = std::chrono::steady_clock::time_point;

  TicketKeys();
  /// What the library asks for a ticket to be sealed or opened: -1 it failed, 0 it is none of ours, 1 done, 2 done and
  /// to be replaced by a new one.
  int use(Time now, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool seal);

 private:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{}, mac{};
    Time since{};
    bool made = false;
  };
  struct FreeCipher {
    void operator()(EVP_CIPHER* it) const { EVP_CIPHER_free(it); }
  };
  bool rotate(Time now);

  std::unique_ptr<EVP_CIPHER, FreeCipher> aes_;
  std::mutex mutex_;
  Key now_, before_;
};

}  // namespace tiltyard::tls
