#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/spec.h"

namespace tiltyard::engine {

/// What an engine notices by itself of a machine of ours, or of itself.
enum class Happening {
  kStarted,
  kDied,  ///< its program has ended, for whatever reason
  kOutOfMemory,
  kPaused,
  kResumed,
  kHealthy,
  kUnhealthy,
  kDestroyed,
  kLost,         ///< the engine itself: it does not answer any more
  kReconnected,  ///< the engine itself: it was away, and what happened meanwhile was not told
};

struct EngineEvent {
  Happening what = Happening::kReconnected;
  std::string machine;  ///< name; empty: the engine itself
  Labels labels;
};

/// Keeps a subscriber; it hears nothing more once this is gone.
using Subscription = std::shared_ptr<const void>;

/// Those who are told of an engine's events. Belongs to one loop; whoever is told may subscribe or go meanwhile.
class Subscribers {
 public:
  using OnEvent = std::function<void(const EngineEvent&)>;

  [[nodiscard]] Subscription add(OnEvent subscriber) {
    auto kept = std::make_shared<const OnEvent>(std::move(subscriber));
    all_.push_back(kept);
    return kept;
  }

  void tell(const EngineEvent& event) {
    std::erase_if(all_, [](const auto& one) { return one.expired(); });
    const auto now = all_;
    for (const auto& one : now) {
      if (const auto subscriber = one.lock()) (*subscriber)(event);
    }
  }

 private:
  std::vector<std::weak_ptr<const OnEvent>> all_;
};

}  // namespace tiltyard::engine
