#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tiltyard::ssh {

/// A public key as OpenSSH writes it in a line of its own (sshd(8), AUTHORIZED_KEYS FILE FORMAT, without options).
struct PublicKey {
  std::string type;     ///< "ssh-ed25519"
  std::string blob;     ///< as it goes over the wire (RFC 4253, 6.6)
  std::string comment;  ///< what stands behind it; printable, bounded

  /// "ssh-ed25519 AAAA…"
  std::string line() const;
};

/// "SHA256:…", as ssh-keygen -l says it.
std::string fingerprint_of(std::string_view blob);
/// RFC 4648, 4.
std::string base64(std::string_view bytes);

/// `key-invalid` says what is wrong with it: no key at all, a private one, a certificate, one with options before it,
/// one of a kind that is out of use (DSA), an RSA key of fewer than 2,048 bits.
Result<PublicKey> read_public_key(std::string_view line);
/// Every line that is a key; blank lines, comments and keys that cannot be used are passed over. At most `most`.
std::vector<PublicKey> read_public_keys(std::string_view text, std::size_t most);

}  // namespace tiltyard::ssh
