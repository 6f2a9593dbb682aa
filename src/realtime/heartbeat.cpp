#include "realtime/heartbeat.h"

namespace tiltyard::realtime {

Heartbeat::Beating::~Beating() {
  if (heartbeat_ != nullptr) heartbeat_->clear(*this);
}

Heartbeat::Heartbeat(boost::asio::any_io_executor loop) : timer_(loop) {}

Heartbeat::~Heartbeat() {
  for (auto& [at, who] : due_) who->heartbeat_ = nullptr;
}

void Heartbeat::set(Beating& who, Clock::duration wait) {
  clear(who);
  who.place_ = due_.emplace(Clock::now() + wait, &who);
  who.heartbeat_ = this;
  arm();
}

void Heartbeat::clear(Beating& who) {
  if (who.heartbeat_ == nullptr) return;
  due_.erase(who.place_);
  who.heartbeat_ = nullptr;
  if (!due_.empty() || armed_ == Clock::time_point::max()) return;
  // Nobody is left: a timer that waits on would only hold the loop up when it ends.
  armed_ = Clock::time_point::max();
  timer_.cancel();
}

/// An earlier deadline moves the timer; a later one finds it where it is.
void Heartbeat::arm() {
  if (due_.empty() || due_.begin()->first >= armed_) return;
  armed_ = due_.begin()->first;
  timer_.expires_at(armed_);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) run();
  });
}

void Heartbeat::run() {
  armed_ = Clock::time_point::max();
  const auto now = Clock::now();
  while (!due_.empty() && due_.begin()->first <= now) {
    auto* who = due_.begin()->second;
    clear(*who);
    who->on_beat();
  }
  arm();
}

}  // namespace tiltyard::realtime
