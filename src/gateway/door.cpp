#include "gateway/door.h"

#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>

#include "base/text.h"

namespace tiltyard::gateway {
namespace {

// kind and key 1, issued 6, lives 3, visitor 6, via 6, MAC 16
constexpr std::size_t kSaid = 22, kMac = 16, kBytes = kSaid + kMac;
static_assert((kBytes * 8 + 4) / 5 == kPassText);
static_assert(kMac == crypto_generichash_BYTES_MIN);

constexpr std::size_t kMost = 100'000;   // revoked parties, known addresses; used grants, sources of tries
constexpr Millis kAheadAtMost = 60'000;  // another server's clock may be that much before ours
constexpr Millis kMinute = 60'000;
constexpr int kTriesAMinute = 3;
constexpr int kCookiesLookedAt = 8;

using Bytes = std::array<unsigned char, kBytes>;

constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";

constexpr std::array<std::int8_t, 256> kValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::int8_t>(i);
  return values;
}();

std::string to_text(const Bytes& bytes) {
  std::string text;
  unsigned rest = 0;
  int bits = 0;
  for (const auto byte : bytes) {
    rest = rest << 8 | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += kDigits[rest >> (bits - 5) & 31];
  }
  text += kDigits[rest << (5 - bits) & 31];
  return text;
}

/// One text for each pass: the bit that is left over must be 0.
bool from_text(std::string_view text, Bytes& bytes) {
  if (text.size() != kPassText) return false;
  unsigned rest = 0;
  int bits = 0;
  std::size_t at = 0;
  for (const char c : text) {
    const auto value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    rest = rest << 5 | static_cast<unsigned>(value);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = static_cast<unsigned char>(rest >> bits);
  }
  return (rest & ((1U << bits) - 1)) == 0;
}

void put(unsigned char* to, std::size_t size, std::uint64_t value) {
  for (std::size_t i = size; i-- > 0; value >>= 8) to[i] = static_cast<unsigned char>(value);
}

std::uint64_t get(const unsigned char* from, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | from[i];
  return value;
}

/// Of what is said and for where; false: the names are too long to be any of ours.
bool authenticate(const unsigned char* said, DoorPlace place, const DoorKey& key, unsigned char* mac) {
  std::array<unsigned char, kSaid + 2 + 128 + 255> all;
  if (place.instance.size() > 128 || place.host.size() > 255) return false;
  auto* to = std::copy_n(said, kSaid, all.data());
  for (const auto name : {place.instance, place.host}) {
    *to++ = static_cast<unsigned char>(name.size());
    to = std::copy(name.begin(), name.end(), to);
  }
  return crypto_generichash(mac, kMac, all.data(), static_cast<std::size_t>(to - all.data()), key.secret.data(),
                            key.secret.size()) == 0;
}

std::uint64_t mixed(net::Holder owner, net::Holder address) { return owner * 0x9e3779b97f4a7c15 ^ address; }

/// Calls `each(name, value, whole)` for the cookies of a Cookie field (RFC 6265, 4.2.1).
template <class Each>
void each_cookie(std::string_view field, Each each) {
  while (!field.empty()) {
    const auto end = std::min(field.find(';'), field.size());
    const auto whole = trim(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
    const auto equals = whole.find('=');
    if (equals == whole.npos) each(whole, std::string_view(), whole);
    else each(trim(whole.substr(0, equals)), trim(whole.substr(equals + 1)), whole);
  }
}

/// Whatever the case: browsers compare the prefix without it, and some programs the whole.
bool is_door_cookie(std::string_view name) {
  return same_text(name, kDoorCookie) || same_text(name, kSecureDoorCookie);
}

template <class Map, class Over>
void make_room(Map& map, Over over) {
  if (map.size() >= kMost) std::erase_if(map, over);
}

}  // namespace

Millis millis_now() {
  using namespace std::chrono;
  return static_cast<Millis>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

Party party_of(std::string_view id) {
  if (id.empty()) return 0;
  static constexpr std::array<unsigned char, crypto_shorthash_KEYBYTES> kKey{};
  std::array<unsigned char, crypto_shorthash_BYTES> hash;
  crypto_shorthash(hash.data(), reinterpret_cast<const unsigned char*>(id.data()), id.size(), kKey.data());
  return get(hash.data(), 6) | 1;  // 0 is nobody
}

bool has_door_cookie(std::string_view field) {
  bool found = false;
  if (field.size() < kDoorCookie.size()) return false;
  each_cookie(field, [&found](std::string_view name, std::string_view, std::string_view) {
    found = found || is_door_cookie(name);
  });
  return found;
}

void append_without_door_cookie(std::string_view field, std::string& out) {
  bool first = true;
  each_cookie(field, [&](std::string_view name, std::string_view, std::string_view whole) {
    if (is_door_cookie(name)) return;
    if (!std::exchange(first, false)) out += "; ";
    out += whole;
  });
}

bool sets_door_cookie(std::string_view field) {
  // Browsers send a cookie without a name as its bare value.
  auto pair = trim(field.substr(0, field.find(';')));
  while (pair.starts_with('=')) pair = trim(pair.substr(1));
  return is_door_cookie(trim(pair.substr(0, pair.find('='))));
}

std::string DoorBook::mint(const Pass& pass, DoorPlace place) const {
  if (keys_.empty()) return {};
  Bytes bytes;
  const auto& key = keys_.front();
  bytes[0] = static_cast<unsigned char>(static_cast<unsigned>(pass.kind) << 6 | (key.id & 63U));
  put(&bytes[1], 6, pass.issued);
  put(&bytes[7], 3, pass.lives);
  put(&bytes[10], 6, pass.visitor);
  put(&bytes[16], 6, pass.via);
  return authenticate(bytes.data(), place, key, &bytes[kSaid]) ? to_text(bytes) : std::string();
}

std::optional<Pass> DoorBook::check(std::string_view text, Pass::Kind kind, DoorPlace place, Millis now) const {
  Bytes bytes;
  if (!from_text(text, bytes) || bytes[0] >> 6 != static_cast<unsigned>(kind)) return std::nullopt;
  const auto key = std::ranges::find(keys_, bytes[0] & 63, &DoorKey::id);
  std::array<unsigned char, kMac> mac;
  if (key == keys_.end() || !authenticate(bytes.data(), place, *key, mac.data()) ||
      sodium_memcmp(mac.data(), &bytes[kSaid], kMac) != 0) {
    return std::nullopt;
  }
  const Pass pass{kind, get(&bytes[10], 6), get(&bytes[16], 6), get(&bytes[1], 6),
                  static_cast<std::uint32_t>(get(&bytes[7], 3))};
  const auto ends = pass.issued + (kind == Pass::Kind::kGrant ? kGrantLives : Millis{pass.lives} * 1000);
  if (now >= ends || pass.issued > now + kAheadAtMost || is_revoked(pass)) return std::nullopt;
  return pass;
}

std::optional<Pass> DoorBook::visitor(std::string_view field, bool secure, DoorPlace place, Millis now) const {
  std::optional<Pass> found;
  int looked_at = 0;
  each_cookie(field, [&](std::string_view name, std::string_view value, std::string_view) {
    if (found || name != door_cookie(secure) || ++looked_at > kCookiesLookedAt) return;
    found = check(value, Pass::Kind::kCookie, place, now);
    if (!found) found = check(value, Pass::Kind::kToken, {place.instance, {}}, now);
  });
  return found;
}

void DoorBook::revoke(Party party, Millis until) {
  if (party == 0 || (revoked_.size() >= kMost && !revoked_.contains(party))) {
    all_revoked_ = std::max(all_revoked_, until);
    std::erase_if(revoked_, [this](const auto& one) { return one.second <= all_revoked_; });
    return;
  }
  auto& at = revoked_[party];
  at = std::max(at, until);
}

bool DoorBook::is_revoked(const Pass& pass) const {
  if (pass.issued <= all_revoked_) return true;
  for (const auto party : {pass.visitor, pass.via}) {
    const auto found = revoked_.find(party);
    if (found != revoked_.end() && pass.issued <= found->second) return true;
  }
  return false;
}

void DoorBook::know(net::Holder owner, net::Holder address, Known known) {
  const auto now = known.issued;
  make_room(known_, [now](const auto& one) { return one.second.until <= now; });
  if (known_.size() < kMost) known_.insert_or_assign(mixed(owner, address), known);
}

std::optional<Pass> DoorBook::known(net::Holder owner, net::Holder address, Millis now) const {
  const auto found = known_.find(mixed(owner, address));
  if (found == known_.end() || found->second.until <= now) return std::nullopt;
  const Pass pass{Pass::Kind::kToken, found->second.visitor, found->second.via, found->second.issued, 0};
  return is_revoked(pass) ? std::nullopt : std::optional(pass);
}

bool DoorMemory::use_up(std::string_view pass, Millis now) {
  const std::lock_guard lock(mutex_);
  make_room(used_, [now](const auto& one) { return one.second <= now; });
  if (used_.size() >= kMost) return false;
  // The last characters are the MAC's, which nobody can choose.
  std::uint64_t mark = 0;
  std::memcpy(&mark, pass.data() + pass.size() - sizeof mark - 1, sizeof mark);
  return used_.emplace(mark, now + kGrantLives + kAheadAtMost).second;
}

bool DoorMemory::may_try(net::Holder address, Millis now) {
  const std::lock_guard lock(mutex_);
  const auto found = tries_.find(address);
  if (found != tries_.end() && found->second.minute == now / kMinute) return found->second.count < kTriesAMinute;
  return found != tries_.end() || tries_.size() < kMost;
}

void DoorMemory::tried_in_vain(net::Holder address, Millis now) {
  const std::lock_guard lock(mutex_);
  const auto minute = now / kMinute;
  make_room(tries_, [minute](const auto& one) { return one.second.minute != minute; });
  auto& tries = tries_[address];
  if (tries.minute != minute) tries = {minute, 0};
  ++tries.count;
}

}  // namespace tiltyard::gateway
