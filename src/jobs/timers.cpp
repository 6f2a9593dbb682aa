#include "jobs/timers.h"

#include <algorithm>
#include <bit>

namespace tiltyard::jobs {
namespace {

constexpr std::int64_t kLast = (std::int64_t{1} << 48) - 1;

std::int64_t within(std::int64_t time) { return std::clamp<std::int64_t>(time, 0, kLast); }

}  // namespace

Timers::Timers(std::int64_t now) : now_(within(now)) { heads_.fill(kNowhere); }

Timers::Handle Timers::add(std::int64_t due, std::int64_t what) {
  std::uint32_t place;
  if (free_.empty()) {
    place = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  nodes_[place].due = within(due);
  nodes_[place].what = what;
  put(place);
  ++size_;
  return {place, nodes_[place].age};
}

bool Timers::remove(Handle handle) {
  if (handle.place >= nodes_.size() || nodes_[handle.place].age != handle.age) return false;
  take_out(handle.place);
  release(handle.place);
  return true;
}

/// A timer lies on the level of the highest digit (of base 256) in which its time differs from now: on each level only
/// slots ahead of now's digit are in use, and all of a lower level come before any of a higher one.
void Timers::put(std::uint32_t place) {
  Node& node = nodes_[place];
  std::uint32_t list = kOverdue;
  if (node.due > now_) {
    const int level = (63 - std::countl_zero(static_cast<std::uint64_t>(node.due ^ now_))) / kBits;
    const std::uint32_t slot = slot_of(level, node.due);
    list = static_cast<std::uint32_t>(level) * kSlots + slot;
    used_[static_cast<std::size_t>(level)][slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
  node.list = list;
  node.before = kNowhere;
  node.next = heads_[list];
  if (node.next != kNowhere) nodes_[node.next].before = place;
  heads_[list] = place;
}

void Timers::take_out(std::uint32_t place) {
  const Node& node = nodes_[place];
  if (node.next != kNowhere) nodes_[node.next].before = node.before;
  if (node.before != kNowhere) nodes_[node.before].next = node.next;
  else heads_[node.list] = node.next;
  if (heads_[node.list] != kNowhere || node.list == kOverdue) return;
  const std::uint32_t slot = node.list % kSlots;
  used_[node.list / kSlots][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

void Timers::release(std::uint32_t place) {
  ++nodes_[place].age;
  free_.push_back(place);
  --size_;
}

std::uint32_t Timers::slot_of(int level, std::int64_t time) const {
  return static_cast<std::uint32_t>(time >> (level * kBits)) & (kSlots - 1);
}

/// The first slot in use ahead of now's.
std::optional<std::uint32_t> Timers::next_slot(int level) const {
  const auto& used = used_[static_cast<std::size_t>(level)];
  const std::uint32_t from = slot_of(level, now_) + 1;
  for (std::uint32_t word = from / 64; word < used.size(); ++word) {
    std::uint64_t bits = used[word];
    if (word == from / 64) bits &= ~std::uint64_t{0} << (from % 64);
    if (bits != 0) return word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
  }
  return std::nullopt;
}

std::int64_t Timers::start_of(int level, std::uint32_t slot) const {
  const int below = level * kBits;
  return (now_ >> (below + kBits) << (below + kBits)) | (static_cast<std::int64_t>(slot) << below);
}

/// Fires what is due now; the rest goes to lower levels.
void Timers::empty_into(std::uint32_t list, std::vector<std::int64_t>& fired) {
  std::uint32_t place = heads_[list];
  heads_[list] = kNowhere;
  if (list != kOverdue) {
    const std::uint32_t slot = list % kSlots;
    used_[list / kSlots][slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  }
  while (place != kNowhere) {
    const std::uint32_t next = nodes_[place].next;
    if (nodes_[place].due <= now_) {
      fired.push_back(nodes_[place].what);
      release(place);
    } else {
      put(place);
    }
    place = next;
  }
}

std::optional<std::int64_t> Timers::next() const {
  if (heads_[kOverdue] != kNowhere) return now_;
  for (int level = 0; level < kLevels; ++level) {
    if (const auto slot = next_slot(level)) return start_of(level, *slot);
  }
  return std::nullopt;
}

void Timers::advance(std::int64_t now, std::vector<std::int64_t>& fired) {
  now = within(now);
  if (heads_[kOverdue] != kNowhere) empty_into(kOverdue, fired);
  while (now_ < now) {
    int level = 0;
    std::optional<std::uint32_t> slot;
    while (level < kLevels && !(slot = next_slot(level))) ++level;
    if (!slot || start_of(level, *slot) > now) break;
    now_ = start_of(level, *slot);
    empty_into(static_cast<std::uint32_t>(level) * kSlots + *slot, fired);
  }
  now_ = std::max(now_, now);
}

}  // namespace tiltyard::jobs
