#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "limits/gcra.h"

namespace tiltyard::limits {

/// The counts of this process. Thread-safe. Its size is fixed from the start: a set-associative table whose sets make
/// room by dropping the key that owes least, so a flood of new keys pushes out its own and not those that are near
/// their limit. A key that owes nothing is the same as no key, so most of what is dropped is not missed.
class Memory {
 public:
  /// `capacity` keys at least.
  explicit Memory(std::size_t capacity = 1 << 18);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Charges all, or none. `now` in microseconds of a clock that never goes back.
  Outcome take(std::span<const Charge> charges, std::int64_t now);
  /// Charges all without asking: somebody else has decided, and this keeps pace.
  void follow(std::span<const Charge> charges, std::int64_t now);
  /// The debts, charging nothing.
  Outcome look(std::span<const Charge> charges, std::int64_t now);
  /// What it may come to take.
  std::size_t bytes() const;

 private:
  /// Which set, and which key in it: 32 secret bits tell the five of a set apart.
  struct Name {
    std::uint64_t set = 0;
    std::uint32_t tag = 0;
  };
  static constexpr std::size_t kWays = 5;
  /// One line of the processor's cache: beside many keys, fetching it is most of what a check costs.
  struct alignas(64) Set {
    std::array<std::int64_t, kWays> arrival{};  ///< the TAT; 0: free
    std::array<std::uint32_t, kWays> tags{};
  };
  static_assert(sizeof(Set) == 64);
  static constexpr std::size_t kLocks = 64;
  struct alignas(64) Lock {
    std::mutex mutex;
  };

  Name name_of(const Charge& charge) const;
  std::int64_t& place_of(Set& set, Name name, std::int64_t now) const;
  /// Adds what `decide` says to a key's debt, and answers the debt after it.
  template <class Decide>
  std::int64_t visit(Name name, std::int64_t now, Decide decide);

  std::array<unsigned char, 16> secret_{};  ///< so that nobody can choose which keys share a set
  std::size_t mask_;
  struct Unmap {
    std::size_t bytes;
    void operator()(Set* sets) const;
  };
  /// Zeros that the kernel gives when a set is touched first: what nobody uses takes no memory.
  static std::unique_ptr<Set[], Unmap> map(std::size_t sets);
  std::unique_ptr<Set[], Unmap> sets_;
  std::unique_ptr<std::array<Lock, kLocks>> locks_;
};

}  // namespace tiltyard::limits
