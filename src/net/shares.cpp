#include "net/shares.h"

#include <boost/asio/ip/address.hpp>

#include <array>
#include <functional>
#include <mutex>
#include <random>
#include <unordered_map>

namespace tiltyard::net {
namespace {

/// So that nobody can choose addresses that meet in one place of the table.
std::uint64_t secret() {
  static const std::uint64_t value = [] {
    std::random_device random;
    return static_cast<std::uint64_t>(random()) << 32 | random();
  }();
  return value;
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
std::uint64_t mixed(std::uint64_t value) {
  value += secret();
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

struct Mix {
  std::size_t operator()(Holder holder) const { return mixed(holder); }
};

constexpr auto kRelaxed = std::memory_order_relaxed;

/// False: it is over `most` with it, and nothing was added.
bool add(std::atomic<std::size_t>& to, std::size_t amount, std::size_t most) {
  const std::size_t before = to.fetch_add(amount, kRelaxed);
  if (amount <= most && before <= most - amount) return true;
  to.fetch_sub(amount, kRelaxed);
  return false;
}

}  // namespace

Holder holder_of(const boost::asio::ip::address& address) {
  // Next to ::/64, where nobody lives (RFC 4291, 2.4), there is room for the addresses of IPv4.
  constexpr Holder kVersion4 = 1ULL << 32;
  if (address.is_v4()) return kVersion4 | address.to_v4().to_uint();
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return kVersion4 | boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6).to_uint();
  const auto bytes = v6.to_bytes();
  Holder prefix = 0;
  for (std::size_t i = 0; i < 8; ++i) prefix = prefix << 8 | bytes[i];
  return prefix;
}

Holder holder_of(std::string_view name) { return mixed(std::hash<std::string_view>()(name)); }

struct Shares::Hold::Account {
  std::atomic<std::size_t> used{0};
  std::size_t holds = 0;  ///< under the lock; without one the account goes
  Holder who = 0;
};

struct Shares::State {
  State(std::size_t for_each, std::size_t for_all) : each(for_each), all(for_all) {}

  /// The holders whose turn of the table it is.
  struct Part {
    std::mutex mutex;
    std::unordered_map<Holder, Hold::Account, Mix> accounts;
  };
  Part& part_of(Holder who) { return parts[mixed(who) >> 58]; }

  const std::size_t each, all;
  std::atomic<std::size_t> used{0};
  std::array<Part, 64> parts;
};

Shares::Shares(std::size_t each, std::size_t all) : state_(std::make_shared<State>(each, all)) {}
Shares::~Shares() = default;

std::size_t Shares::used() const { return state_->used.load(kRelaxed); }
std::size_t Shares::all() const { return state_->all; }

Shares::Hold Shares::take(Holder who, std::size_t amount) {
  Hold hold;
  {
    auto& part = state_->part_of(who);
    const std::lock_guard lock(part.mutex);
    auto& account = part.accounts[who];
    account.who = who;
    ++account.holds;
    hold.account_ = &account;  // stays where it is while the table grows
    hold.state_ = state_;
  }
  if (!hold.grow(amount)) hold.reset();
  return hold;
}

Shares::Hold Shares::take_for_many(std::size_t amount) {
  Hold hold;
  hold.state_ = state_;
  if (!hold.grow(amount)) hold.reset();
  return hold;
}

bool Shares::Hold::grow(std::size_t amount) {
  if (amount == 0) return true;
  if (!add(state_->used, amount, state_->all)) return false;
  if (account_ != nullptr && !add(account_->used, amount, state_->each)) {
    state_->used.fetch_sub(amount, kRelaxed);
    return false;
  }
  amount_ += amount;
  return true;
}

void Shares::Hold::shrink(std::size_t amount) {
  amount_ -= amount;
  state_->used.fetch_sub(amount, kRelaxed);
  if (account_ != nullptr) account_->used.fetch_sub(amount, kRelaxed);
}

void Shares::Hold::reset() {
  if (!state_) return;
  shrink(amount_);
  if (account_ != nullptr) {
    auto& part = state_->part_of(account_->who);
    const std::lock_guard lock(part.mutex);
    if (--account_->holds == 0) part.accounts.erase(account_->who);
  }
  account_ = nullptr;
  state_.reset();
}

double Shares::Hold::load() const {
  if (account_ == nullptr) return 0;
  return static_cast<double>(account_->used.load(kRelaxed)) / static_cast<double>(state_->each);
}

}  // namespace tiltyard::net
