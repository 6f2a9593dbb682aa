#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

namespace boost::asio::ip {
class address;
}

namespace tiltyard::net {

/// Whom something is counted for: an IPv4 address, the /64 of an IPv6 one (which is what one subscriber is given, RFC
/// 6177), or a name.
using Holder = std::uint64_t;
Holder holder_of(const boost::asio::ip::address& address);
/// A name that is no address: a user's, an owner's.
Holder holder_of(std::string_view name);

/// What there is only so much of (connections, bytes), and how much of it each holder has at the moment: nobody may
/// have more than a share, and all together no more than there is. Thread-safe; a take is one short lock, what follows
/// is not.
class Shares {
 public:
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
  class Hold;

  Shares(std::size_t each, std::size_t all);
  ~Shares();

  /// Empty: the holder has its share, or nothing is left (`full`).
  Hold take(Holder who, std::size_t amount = 1);
  /// Of the whole alone: for those who speak for many, such as a proxy.
  Hold take_for_many(std::size_t amount = 1);

  std::size_t used() const;
  std::size_t all() const;
  bool full() const { return used() >= all(); }
  /// How much of the whole is taken: 0 to 1.
  double load() const { return static_cast<double>(used()) / static_cast<double>(all()); }

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// What one has taken; given back when it goes. May be used from one thread at a time, and may outlive the Shares.
class Shares::Hold {
 public:
  Hold() = default;
  Hold(Hold&& other) noexcept { swap(other); }
  Hold& operator=(Hold&& other) noexcept {
    Hold(std::move(other)).swap(*this);
    return *this;
  }
  ~Hold() { reset(); }

  explicit operator bool() const { return state_ != nullptr; }
  /// Takes more; false: it is not to be had, and nothing has changed. Two counters, no lock.
  bool grow(std::size_t amount);
  void shrink(std::size_t amount);
  void reset();
  std::size_t amount() const { return amount_; }
  /// How much of its share the holder has taken, with all of its holds: 0 to 1.
  double load() const;

 private:
  friend class Shares;
  struct Account;
  void swap(Hold& other) noexcept {
    state_.swap(other.state_);
    std::swap(account_, other.account_);
    std::swap(amount_, other.amount_);
  }

  std::shared_ptr<State> state_;
  Account* account_ = nullptr;  ///< the holder's; null: it counts for nobody
  std::size_t amount_ = 0;
};

}  // namespace tiltyard::net
