#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <map>
#include <memory>

namespace tiltyard::realtime {

/// One timer for the deadlines of very many: what is said at them stands in engine_session.cpp (Engine.IO's ping), and
/// WebSocket's own ping is answered in net/frame_socket.cpp. Lives on one loop.
class Heartbeat {
 public:
  using Clock = std::chrono::steady_clock;

  /// Has one deadline at most, and loses it when it goes.
  class Beating {
   public:
    virtual ~Beating();
    virtual void on_beat() = 0;

   private:
    friend class Heartbeat;
    Heartbeat* heartbeat_ = nullptr;
    std::multimap<Clock::time_point, Beating*>::iterator place_;
  };

  explicit Heartbeat(boost::asio::any_io_executor loop);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// Calls `who` after `wait`, in place of what was set for it before.
  void set(Beating& who, Clock::duration wait);
  void clear(Beating& who);

 private:
  void arm();
  void run();

  boost::asio::steady_timer timer_;
  std::multimap<Clock::time_point, Beating*> due_;
  Clock::time_point armed_ = Clock::time_point::max();
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< a completion may be on its way when this goes
};

}  // namespace tiltyard::realtime
