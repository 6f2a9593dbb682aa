#include "identity/attempts.h"

#include <fmt/core.h>

#include <algorithm>

namespace tiltyard::identity {

Result<> Attempts::begin(const std::string& key, TimePoint now) {
  while (!windows_.empty() && now - windows_.front().since >= window_) drop(windows_.begin());
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (windows_.size() >= capacity_) drop(windows_.begin());
    windows_.push_back({key, now, 0});
    found = by_key_.emplace(key, std::prev(windows_.end())).first;
  }
  auto& window = *found->second;
  if (window.count >= most_) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(window_ - (now - window.since)).count();
    return fail(Error{
        Code::kLimited, "limit-reached", fmt::format("Too many failed sign-ins. Try again in {} s.", left), {}, {}}
                    .with("limit", std::to_string(most_))
                    .with("current", std::to_string(window.count))
                    .with("retry_after_s", std::to_string(left)));
  }
  ++window.count;
  return {};
}

void Attempts::succeeded(const std::string& key) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) drop(found->second);
}

void Attempts::withdraw(const std::string& key) {
  if (const auto found = by_key_.find(key); found != by_key_.end() && found->second->count > 0) --found->second->count;
}

int Attempts::count(const std::string& key, TimePoint now) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() || now - found->second->since >= window_ ? 0 : found->second->count;
}

void Attempts::drop(Windows::iterator window) {
  by_key_.erase(window->key);
  windows_.erase(window);
}

std::chrono::milliseconds delay_after(int failures) {
  constexpr int kFree = 20, kStep = 20, kMostSteps = 4;
  if (failures < kFree) return {};
  return std::chrono::milliseconds{250} * (1 << std::min((failures - kFree) / kStep, kMostSteps));
}

}  // namespace tiltyard::identity
