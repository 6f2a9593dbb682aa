#include "gateway/port_lanes.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>

namespace tiltyard::gateway {

namespace {

constexpr std::size_t kMaxLanes = 32;

std::size_t port_count(std::uint16_t first, std::uint16_t last) {
  return last < first ? 0 : static_cast<std::size_t>(last - first) + 1;
}

}  // namespace

PortLanes::PortLanes(std::uint16_t first, std::uint16_t last, IsFree is_free)
    : first_(first), last_(last), is_free_(std::move(is_free)) {
  for (auto& space : spaces_) space.cursors.assign(std::min(kMaxLanes, port_count(first, last)), 0);
}

// BLAKE2b with a digest of 8 bytes (RFC 7693), read as a little-endian number, modulo the lanes: the same on every
// host.
std::size_t PortLanes::lane_of(const std::string& owner, const std::string& template_id,
                               std::uint16_t machine_port) const {
  const auto lanes = spaces_.front().cursors.size();
  if (lanes == 0) return 0;
  auto key = fmt::format("{}:{}:{}", owner, template_id, machine_port);
  std::array<unsigned char, 8> digest{};
  // libsodium's own smallest digest is 16 bytes; BLAKE2b's parameter block allows 8 only through the low-level name.
  crypto_generichash_blake2b(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(key.data()),
                             key.size(), nullptr, 0);
  std::uint64_t number = 0;
  for (std::size_t i = digest.size(); i-- > 0;) number = number << 8 | digest[i];
  return static_cast<std::size_t>(number % lanes);
}

Result<std::uint16_t> PortLanes::allocate(const std::string& owner, const std::string& template_id,
                                          std::uint16_t machine_port, std::optional<std::uint16_t> preferred,
                                          Transport transport) {
  auto& space = space_of(transport);
  auto try_port = [&](std::uint16_t port) {
    if (space.used.contains(port) || !is_free_(port, transport)) return false;
    space.used.insert(port);
    return true;
  };
  if (preferred && *preferred >= first_ && *preferred <= last_ && try_port(*preferred)) return *preferred;
  auto count = port_count(first_, last_);
  auto lanes = space.cursors.size();
  auto home = lane_of(owner, template_id, machine_port);
  for (std::size_t step = 0; step < lanes; ++step) {
    auto lane = (home + step) % lanes;
    // Equal lanes; where the range does not divide, neighbours differ by one port and none is left out.
    auto begin = count * lane / lanes, size = count * (lane + 1) / lanes - begin;
    for (std::size_t i = 0; i < size; ++i) {
      auto offset = (space.cursors[lane] + i) % size;
      auto port = static_cast<std::uint16_t>(first_ + begin + offset);
      if (!try_port(port)) continue;
      space.cursors[lane] = static_cast<std::uint16_t>((offset + 1) % size);
      return port;
    }
  }
  return fail(Code::kExhausted, "ports-exhausted",
              "All ports of the gateway are in use. Stop an instance, or widen the range.");
}

void PortLanes::restore(std::uint16_t port, Transport transport) { space_of(transport).used.insert(port); }

void PortLanes::release(std::uint16_t port, Transport transport) { space_of(transport).used.erase(port); }

}  // namespace tiltyard::gateway
