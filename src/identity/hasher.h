#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>

#include "base/offload.h"
#include "base/result.h"
#include "base/secret.h"

namespace tiltyard::identity {

/// Argon2id on the hashing pool (libsodium's crypto_pwhash_str, RFC 9106). The pool's threads bound how many run at
/// once; `most_waiting` bounds how many may be asked for, further ones are `queue-full`. Lives on the home loop.
class Hasher {
 public:
  Hasher(WorkerPool& pool, std::size_t memory, unsigned passes, int most_waiting)
      : pool_(pool), memory_(memory), passes_(passes), most_waiting_(most_waiting) {}

  /// The text to keep for `password`: algorithm, cost, salt and hash.
  asio::awaitable<Result<std::string>> hash(Secret password);

  struct Verdict {
    bool right = false;
    std::string fresh_hash;  ///< set when the kept one was made at another cost: keep this instead
  };
  /// Compares; with an empty `kept` (no such user, or none with a password) it takes as long and says no.
  asio::awaitable<Result<Verdict>> verify(std::string kept, Secret password);

 private:
  class Place;

  WorkerPool& pool_;
  std::size_t memory_;
  unsigned passes_;
  int most_waiting_;
  int waiting_ = 0;
};

}  // namespace tiltyard::identity
