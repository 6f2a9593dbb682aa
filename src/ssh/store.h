#pragma once

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "bus/bus.h"
#include "ssh/public_key.h"
#include "store/store.h"

namespace tiltyard::ssh {

namespace asio = boost::asio;

inline constexpr int kMostKeys = 50;  ///< of one account

/// A key of an account. The same key may be another account's, too: whoever wants can write down any public key, and
/// must not keep its owner from using it.
struct Key {
  std::string id;
  UserId user;
  std::string name;
  PublicKey key;
  std::string fingerprint;
  std::string source;  ///< the URL that it was fetched from; empty: it was given
  TimePoint created_at{};
  std::optional<TimePoint> last_used_at;
};

std::vector<store::Migration> migrations();

/// The rows of ssh_keys.
class KeyStore {
 public:
  explicit KeyStore(store::Store& store) : store_(store) {}

  /// Of an account, the oldest first.
  asio::awaitable<Result<std::vector<Key>>> of(UserId user);
  /// Those that are not there yet; what was added. `limit-reached`.
  asio::awaitable<Result<std::vector<Key>>> add(std::vector<Key> keys, bus::Actor actor);
  /// `key-unknown`.
  asio::awaitable<Result<Key>> remove(UserId user, std::string id, bus::Actor actor);
  asio::awaitable<Result<>> forget(UserId user);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::ssh
