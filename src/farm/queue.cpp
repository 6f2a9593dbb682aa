#include "farm/queue.h"

#include <algorithm>
#include <bit>

namespace tiltyard::farm {

std::uint32_t FairQueue::Round::at_or_after(std::uint64_t key) const {
  const auto found = key > UINT32_MAX ? keys_.end() : keys_.lower_bound(static_cast<std::uint32_t>(key));
  return found == keys_.end() ? *keys_.begin() : *found;
}

std::uint32_t FairQueue::Round::next() {
  const std::uint32_t upper = at_or_after((std::uint64_t{last_upper_} + 1) << 16) >> 16;
  auto& last_lower = last_lower_.try_emplace(upper, UINT16_MAX).first->second;
  const std::uint64_t first = std::uint64_t{upper} << 16;
  std::uint32_t key = at_or_after(first + last_lower + 1);
  if (key >> 16 != upper) key = at_or_after(first);
  last_upper_ = upper;
  last_lower = key & 0xFFFF;
  return key;
}

void FairQueue::Round::remove(std::uint32_t key) {
  keys_.erase(key);
  const std::uint64_t first = std::uint64_t{key >> 16} << 16;
  const auto next = keys_.lower_bound(static_cast<std::uint32_t>(first));
  if (next == keys_.end() || *next >> 16 != key >> 16) last_lower_.erase(key >> 16);
}

void FairQueue::push(std::uint32_t flag) {
  const ClassKey key = class_of_(flag);
  auto& heap = classes_[key];
  if (heap.empty()) {
    by_sploit_.add(key);
    by_team_.add(turned(key));
  }
  heap.push(flag);
  const std::size_t word = flag / 64;
  if (word >= waiting_.size()) waiting_.resize(std::max(word + 1, waiting_.size() * 3 / 2));
  waiting_[word] |= std::uint64_t{1} << flag % 64;
  first_word_ = size_ == 0 ? word : std::min(first_word_, word);
  ++size_;
}

std::uint32_t FairQueue::pop_from(ClassKey key) {
  const auto found = classes_.find(key);
  const std::uint32_t flag = found->second.top();
  found->second.pop();
  if (found->second.empty()) {
    classes_.erase(found);
    by_sploit_.remove(key);
    by_team_.remove(turned(key));
  }
  waiting_[flag / 64] &= ~(std::uint64_t{1} << flag % 64);
  --size_;
  return flag;
}

std::optional<std::uint32_t> FairQueue::oldest() {
  if (size_ == 0) return std::nullopt;
  while (waiting_[first_word_] == 0) ++first_word_;
  return static_cast<std::uint32_t>(first_word_ * 64 +
                                    static_cast<std::size_t>(std::countr_zero(waiting_[first_word_])));
}

void FairQueue::pop_oldest() {
  // The oldest of all is the oldest of its class.
  if (const auto flag = oldest()) pop_from(class_of_(*flag));
}

std::optional<std::uint32_t> FairQueue::pop() {
  if (size_ == 0) return std::nullopt;
  switch (turn_++ % 3) {
    case 0:
      return pop_from(by_sploit_.next());
    case 1:
      return pop_from(turned(by_team_.next()));
    default:
      return pop_from(class_of_(*oldest()));
  }
}

}  // namespace tiltyard::farm
