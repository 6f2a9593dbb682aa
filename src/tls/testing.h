#pragma once

#include <string>
#include <vector>

#include "base/secret.h"

/// Certificates for tests, made on the spot.
namespace tiltyard::tls::testing {

struct Made {
  std::string chain;
  Secret key;
};

struct Wishes {
  std::vector<std::string> names;                  ///< "DNS:a.example", "IP:127.0.0.1"
  int from_seconds = -60, to_seconds = 24 * 3600;  ///< from now
  int rsa_bits = 0;                                ///< 0: P-256
  std::string issuer = {};                         ///< a second certificate of this name signs it; empty: it itself
};

Made make(const Wishes& wishes);
inline Made make(std::string name) { return make(Wishes{.names = {std::move(name)}}); }

}  // namespace tiltyard::tls::testing
