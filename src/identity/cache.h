#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "identity/identity.h"

namespace tiltyard::identity {

/// Who a session or token belongs to, so that most requests need no database. Bounded (the longest unused goes first);
/// an entry is believed for `kFresh` at most, so that another node's revocation arrives. Lives on the home loop.
class PrincipalCache {
 public:
  static constexpr Duration kFresh = std::chrono::seconds{30};

  struct Entry {
    std::shared_ptr<const Principal> principal;
    TimePoint ends = TimePoint::max();  ///< when the session or token stops working
    TimePoint touched{};                ///< last use that the database knows of
  };

  explicit PrincipalCache(std::size_t capacity = 20'000) : capacity_(capacity) {}

  /// nullptr: ask the database. The pointer is good until the next change of the cache.
  Entry* find(const std::string& key, TimePoint now);
  /// Keeps what was read, unless something was forgotten since `generation` was: then what was read may be out of date.
  void put(const std::string& key, Entry entry, TimePoint now, std::uint64_t generation);
  std::uint64_t generation() const { return generation_; }

  void forget(const std::string& key);
  void forget_user(const UserId& user);
  void forget_all();
  std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    std::string key;
    Entry entry;
    TimePoint read_at;
  };
  using Slots = std::list<Slot>;

  void drop(Slots::iterator slot);

  std::size_t capacity_;
  std::uint64_t generation_ = 0;
  Slots slots_;  ///< the last used first
  std::unordered_map<std::string, Slots::iterator> by_key_;
};

}  // namespace tiltyard::identity
