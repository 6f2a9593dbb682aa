#include "identity/device.h"

#include <sodium.h>

#include <algorithm>

#include "base/id.h"

namespace tiltyard::identity {
namespace {

constexpr std::size_t kId = 32, kName = 32, kSeal = 64;  ///< characters of the three parts

/// BLAKE2b under our key; `what` keeps uses apart.
template <std::size_t Bytes>
std::string keyed(const std::array<unsigned char, 32>& key, std::string_view what, std::string_view text) {
  std::array<unsigned char, Bytes> hash{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data(), key.size(), hash.size());
  for (const auto part : {what, text})
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  crypto_generichash_final(&state, hash.data(), hash.size());
  std::string out(Bytes * 2 + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), hash.data(), hash.size());
  out.pop_back();
  return out;
}

}  // namespace

void Devices::set_key(const Secret& master) {
  constexpr std::string_view kUse = "tiltyard devices";
  crypto_generichash(key_.data(), key_.size(), reinterpret_cast<const unsigned char*>(master.reveal().data()),
                     master.reveal().size(), reinterpret_cast<const unsigned char*>(kUse.data()), kUse.size());
}

std::string Devices::name_tag(std::string_view name_key) const { return keyed<kName / 2>(key_, "name ", name_key); }

std::string Devices::issue(std::string_view name_key) const {
  const auto front = random_hex(kId / 2) + name_tag(name_key);
  return front + keyed<kSeal / 2>(key_, "seal ", front);
}

std::optional<Devices::Device> Devices::read(std::string_view value) const {
  if (value.size() != kId + kName + kSeal) return std::nullopt;
  const auto front = value.substr(0, kId + kName);
  const auto seal = keyed<kSeal / 2>(key_, "seal ", front);
  if (sodium_memcmp(seal.data(), value.data() + front.size(), kSeal) != 0) return std::nullopt;
  return Device{std::string(front.substr(0, kId)), std::string(front.substr(kId))};
}

}  // namespace tiltyard::identity
