#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace tiltyard {

/// Closes texts that are kept in the database: XSalsa20-Poly1305 with a random nonce (libsodium's
/// secretbox). The key is a file of its own, so that a copy of the database alone opens nothing.
class Seal {
 public:
  /// Reads folder/NAME.key, or makes it (32 random bytes, mode 0600). `NAME-key`.
  static Result<Seal> open(const std::string& folder, const std::string& name);

  std::string close(const std::string& text) const;
  /// nullopt: not ours, or changed.
  std::optional<Secret> open_text(const std::string& sealed) const;

 private:
  explicit Seal(Secret key) : key_(std::move(key)) {}
  Secret key_;
};

}  // namespace tiltyard
