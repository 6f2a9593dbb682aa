#include "base/secret.h"

#include <sodium.h>

namespace tiltyard {

bool Secret::equals(std::string_view other) const {
  return value_.size() == other.size() && sodium_memcmp(value_.data(), other.data(), other.size()) == 0;
}

void Secret::wipe() {
  // A short text that was moved away is still in the string's own buffer, behind its new end.
  value_.resize(value_.capacity());
  sodium_memzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace tiltyard
