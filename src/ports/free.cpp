#include "ports/free.h"

#include <sodium/crypto_generichash.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tiltyard::ports {
namespace {

/// Below are the registered services of old, above what Linux gives to connections going out (ip_local_port_range).
constexpr std::uint16_t kFirst = 10'000, kLast = 29'999;

/// What programs listen on by habit in between.
constexpr std::array<std::uint16_t, 22> kHabits{10000, 10050, 10051, 10250, 11211, 11434, 15672, 16379,
                                                18080, 19132, 20000, 22222, 25565, 25672, 26257, 27015,
                                                27017, 27018, 27019, 28015, 28017, 29418};

std::uint64_t hash_of(std::string_view seed) {
  std::array<unsigned char, 16> digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(seed.data()), seed.size(),
                     nullptr, 0);
  std::uint64_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

std::optional<std::uint16_t> walk(std::uint64_t begin, std::uint16_t first, std::uint16_t last, const PortSet& taken,
                                  const Policy& policy) {
  const std::uint32_t count = last - first + 1U;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto port = static_cast<std::uint16_t>(first + (begin + i) % count);
    if (policy.has(port) && !taken.contains(port) && std::ranges::find(kHabits, port) == kHabits.end()) return port;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint16_t> free_port(std::string_view seed, const PortSet& taken, const Policy& policy) {
  const auto begin = hash_of(seed);
  if (auto found = walk(begin, kFirst, kLast, taken, policy)) return found;
  return walk(begin, 1024, 65535, taken, policy);
}

void Promises::make(std::string machine, std::uint16_t port, std::string to, Time now) {
  std::erase_if(made_, [&](const Promise& one) { return one.machine == machine && one.to == to; });
  if (made_.size() >= kMost) made_.pop_front();
  made_.push_back({std::move(machine), port, std::move(to), now + kKept});
}

PortSet Promises::of_others(std::string_view machine, std::string_view who, Time now) {
  while (!made_.empty() && made_.front().until <= now) made_.pop_front();
  PortSet out;
  for (const auto& one : made_) {
    if (one.machine == machine && one.to != who) out.insert(one.port);
  }
  return out;
}

}  // namespace tiltyard::ports
