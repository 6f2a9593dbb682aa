#include "limits/memory.h"

#include <sodium.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace tiltyard::limits {

Memory::Memory(std::size_t capacity)
    : mask_(std::bit_ceil(std::max<std::size_t>((capacity + kWays - 1) / kWays, 1)) - 1),
      sets_(map(mask_ + 1)),
      locks_(std::make_unique<std::array<Lock, kLocks>>()) {
  randombytes_buf(secret_.data(), secret_.size());
}

Memory::~Memory() = default;

void Memory::Unmap::operator()(Set* sets) const { ::munmap(sets, bytes); }

std::unique_ptr<Memory::Set[], Memory::Unmap> Memory::map(std::size_t sets) {
  const std::size_t bytes = sets * sizeof(Set);
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<Set*>(at), Unmap{bytes}};
}

std::size_t Memory::bytes() const { return (mask_ + 1) * sizeof(Set); }

/// SipHash-2-4 with 128 bits and a key of this process: who chooses names cannot choose collisions.
Memory::Name Memory::name_of(const Charge& charge) const {
  std::array<unsigned char, 256> text;  // the part behind `size` is never read
  std::size_t size = 0;
  const auto append = [&](std::string_view part) {
    const std::size_t length = std::min(part.size(), text.size() - size);
    std::memcpy(text.data() + size, part.data(), length);
    size += length;
  };
  append(charge.limiter);
  text[size++] = charge.daily ? 1 : 0;
  append(charge.subject);
  std::array<std::uint64_t, 2> out{};
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(out.data()), text.data(), size, secret_.data());
  return {out[0], static_cast<std::uint32_t>(out[1])};
}

/// The key's own place, or the one of the set's key that owes least.
std::int64_t& Memory::place_of(Set& set, Name name, std::int64_t now) const {
  std::size_t least = 0;
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set.tags[way] == name.tag) return set.arrival[way];
    if (set.arrival[way] < set.arrival[least]) least = way;
  }
  set.tags[least] = name.tag;
  set.arrival[least] = 0;
  return set.arrival[least];
}

template <class Decide>
std::int64_t Memory::visit(Name name, std::int64_t now, Decide decide) {
  const std::size_t index = name.set & mask_;
  const std::scoped_lock hold((*locks_)[index % kLocks].mutex);
  std::int64_t& arrival = place_of(sets_[index], name, now);
  const std::int64_t debt = std::max<std::int64_t>(0, arrival - now);
  const std::int64_t more = decide(debt);
  if (more != 0) arrival = now + debt + more;
  return debt + more;
}

Outcome Memory::take(std::span<const Charge> charges, std::int64_t now) {
  Outcome outcome;
  std::array<Name, kMostCharges> names;
  std::array<bool, kMostCharges> charged{};
  for (std::size_t i = 0; i < charges.size(); ++i) {
    names[i] = name_of(charges[i]);
    // The line of the key's set comes while the next name is hashed, or the lock is taken.
    __builtin_prefetch(&sets_[names[i].set & mask_], 1);
  }
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const Quota quota = charges[i].quota;
    outcome.debt[i] = visit(names[i], now, [&](std::int64_t debt) {
      charged[i] = quota.affords(debt);
      return charged[i] ? quota.interval : 0;
    });
    if (!charged[i]) outcome.allowed = false;
  }
  if (outcome.allowed) return outcome;
  // Refused as a whole: what was charged is given back. Whoever asked in between was told a little too little.
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const Quota quota = charges[i].quota;
    if (charged[i])
      outcome.debt[i] = visit(names[i], now, [&](std::int64_t debt) { return -std::min(quota.interval, debt); });
  }
  return outcome;
}

void Memory::follow(std::span<const Charge> charges, std::int64_t now) {
  for (const Charge& charge : charges) {
    const Quota quota = charge.quota;
    visit(name_of(charge), now, [&](std::int64_t debt) {
      return std::min(quota.interval, std::max<std::int64_t>(0, quota.tolerance - debt));
    });
  }
}

Outcome Memory::look(std::span<const Charge> charges, std::int64_t now) {
  Outcome outcome;
  for (std::size_t i = 0; i < charges.size(); ++i) {
    outcome.debt[i] = visit(name_of(charges[i]), now, [](std::int64_t) { return std::int64_t{0}; });
  }
  return outcome;
}

}  // namespace tiltyard::limits
