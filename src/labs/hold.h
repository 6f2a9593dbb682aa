#pragma once

#include <utility>

#include "labs/live.h"

namespace tiltyard::labs {

/// An instance in somebody's hands: from when it is taken until the hold goes, nobody else does anything with it. Taken
/// only of one that is free.
class Hold {
 public:
  Hold(LiveRef live, Doing doing) : live_(std::move(live)) { live_->work.move(doing); }
  ~Hold() { let_go(); }
  Hold(Hold&& other) noexcept : live_(std::move(other.live_)) {}
  Hold& operator=(Hold&&) = delete;

  const LiveRef& live() const { return live_; }
  /// Free for others, who are told.
  void let_go() {
    const auto live = std::exchange(live_, nullptr);
    if (!live || live->work.free()) return;
    live->work.move(Doing::kNothing);
    live->changed.pulse();
  }

 private:
  LiveRef live_;
};

/// What of an instance's condition contradicts itself; empty: nothing. It says which of its facts can be together.
std::string_view contradiction(const Live& live);

}  // namespace tiltyard::labs
