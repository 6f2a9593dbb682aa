#include "farm/table.h"

#include <sodium.h>

#include <utility>

namespace tiltyard::farm {
namespace {

constexpr std::size_t kFirstSlots = 16;  // of each part

}  // namespace

FlagTable::FlagTable() {
  randombytes_buf(key_.data(), key_.size());
  for (Part& part : parts_) part.slots.resize(kFirstSlots);
}

std::uint64_t FlagTable::hash(std::string_view text) const {
  static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == sizeof(std::uint64_t));
  std::uint64_t value = 0;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&value), reinterpret_cast<const unsigned char*>(text.data()),
                   text.size(), key_.data());
  return value;
}

std::size_t FlagTable::slot_of(std::string_view wanted, std::uint64_t hash) const {
  const auto& slots = parts_[part_of(hash)].slots;
  const std::size_t mask = slots.size() - 1;
  std::size_t place = hash >> 32 & mask;
  for (; slots[place] != 0; place = (place + 1) & mask) {
    const Slot slot = slots[place];
    if (slot >> 32 == hash >> 32 && text(static_cast<std::uint32_t>(slot) - 1) == wanted) return place;
  }
  return place;
}

std::optional<std::uint32_t> FlagTable::find(std::string_view text) const {
  const auto hashed = hash(text);
  const Slot slot = parts_[part_of(hashed)].slots[slot_of(text, hashed)];
  if (slot == 0) return std::nullopt;
  return static_cast<std::uint32_t>(slot) - 1;
}

FlagTable::Added FlagTable::add(std::string_view text, const Entry& entry, std::uint32_t row) {
  const std::uint64_t hashed = hash(text);
  Part& part = parts_[part_of(hashed)];
  Slot& slot = part.slots[slot_of(text, hashed)];
  if (slot != 0) return {static_cast<std::uint32_t>(slot) - 1, false};
  const std::uint32_t flag = end_;
  if (chunks_.empty()) first_chunk_ = flag / kChunk;
  if (flag / kChunk - first_chunk_ == chunks_.size()) {
    if (!chunks_.empty()) chunks_.back()->text.shrink_to_fit();
    chunks_.push_back(std::make_unique<Chunk>());
    chunks_.back()->first_row = row;
  }
  Chunk& into = *chunks_.back();
  Entry& kept = into.entries[flag % kChunk];
  kept = entry;
  kept.text = static_cast<std::uint32_t>(into.text.size());
  kept.size = static_cast<std::uint16_t>(text.size());
  into.text += text;
  ++end_;
  slot = hashed >> 32 << 32 | (flag + 1);
  if (++part.used * 10 > part.slots.size() * 7) rebuild(part, part.slots.size() * 2);
  return {flag, true};
}

void FlagTable::rebuild(Part& part, std::size_t slots) const {
  const auto before = std::exchange(part.slots, std::vector<Slot>(slots));
  const std::size_t mask = slots - 1;
  part.used = 0;
  for (const Slot slot : before) {
    if (slot == 0 || static_cast<std::uint32_t>(slot) <= first_) continue;
    std::size_t place = slot >> 32 & mask;
    while (part.slots[place] != 0) place = (place + 1) & mask;
    part.slots[place] = slot;
    ++part.used;
  }
}

void FlagTable::forget_before(std::uint32_t flag) {
  if (flag <= first_) return;
  first_ = flag;
  while (!chunks_.empty() && first_chunk_ < flag / kChunk) {
    chunks_.pop_front();
    ++first_chunk_;
  }
  for (Part& part : parts_) {
    rebuild(part, part.slots.size());
    std::size_t slots = part.slots.size();
    while (slots > kFirstSlots && part.used * 10 < slots * 3) slots /= 2;
    if (slots != part.slots.size()) rebuild(part, slots);
  }
}

}  // namespace tiltyard::farm
