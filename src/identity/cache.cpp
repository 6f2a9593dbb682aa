#include "identity/cache.h"

namespace tiltyard::identity {

PrincipalCache::Entry* PrincipalCache::find(const std::string& key, TimePoint now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto slot = found->second;
  if (now >= slot->entry.ends || now - slot->read_at >= kFresh) {
    drop(slot);
    return nullptr;
  }
  slots_.splice(slots_.begin(), slots_, slot);
  return &slot->entry;
}

void PrincipalCache::put(const std::string& key, Entry entry, TimePoint now, std::uint64_t generation) {
  if (generation != generation_) return;
  if (const auto found = by_key_.find(key); found != by_key_.end()) drop(found->second);
  if (slots_.size() >= capacity_) drop(std::prev(slots_.end()));
  slots_.push_front({key, std::move(entry), now});
  by_key_.emplace(key, slots_.begin());
}

void PrincipalCache::forget(const std::string& key) {
  ++generation_;
  if (const auto found = by_key_.find(key); found != by_key_.end()) drop(found->second);
}

void PrincipalCache::forget_user(const UserId& user) {
  ++generation_;
  for (auto slot = slots_.begin(); slot != slots_.end();) {
    const auto here = slot++;
    if (here->entry.principal->user == user) drop(here);
  }
}

void PrincipalCache::forget_all() {
  ++generation_;
  by_key_.clear();
  slots_.clear();
}

void PrincipalCache::drop(Slots::iterator slot) {
  by_key_.erase(slot->key);
  slots_.erase(slot);
}

}  // namespace tiltyard::identity
