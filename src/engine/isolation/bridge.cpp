#include "engine/isolation/bridge.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>

#include <array>

namespace tiltyard::engine::isolation {

std::string bridge_name(const NetworkSpec& spec) {
  // Forty bits: two of the thirty thousand networks that one server has at most hardly ever meet.
  constexpr std::size_t kBytes = 5;
  std::array<unsigned char, crypto_generichash_BYTES_MIN> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(spec.name.data()),
                     spec.name.size(), nullptr, 0);
  std::array<char, 2 * kBytes + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), kBytes);
  return std::string(spec.shared ? "tys" : "tyn") + (spec.egress ? "e" : "-") + hex.data();
}

std::optional<Guard> guard_of(std::string_view bridge) {
  const bool shared = bridge.starts_with("tys");
  if (!shared && !bridge.starts_with("tyn")) return std::nullopt;
  return Guard{shared, bridge.size() > 3 && bridge[3] == 'e'};
}

}  // namespace tiltyard::engine::isolation
