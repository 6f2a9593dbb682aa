#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gateway/stream.h"

namespace tiltyard::gateway {

namespace asio = boost::asio;
namespace intrusive = boost::intrusive;

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;

/// Is told when a socket it looks after may have become readable or writable.
class Watcher {
 public:
  virtual void on_ready(Stream& stream) = 0;
  /// Called when the loop gives a watcher that asked for it (`EventLoop::again`) another turn.
  virtual void on_turn() {}

 protected:
  ~Watcher() = default;
};

/// Something with a deadline. `on_deadline` is called at most one tick (100 ms) late, never early.
class Timed : public intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>> {
 public:
  Instant deadline() const { return deadline_; }

 protected:
  ~Timed() = default;
  virtual void on_deadline() = 0;

 private:
  friend class EventLoop;
  Instant deadline_ = Instant::max();
  std::uint64_t slot_tick_ = 0;
};

/// What is deleted only at the end of a turn, because an event of the same turn may still name it.
class Mortal {
 public:
  virtual ~Mortal() = default;
};

/// The readiness of all of one loop's sockets: an epoll set of our own inside the Asio loop. A socket costs one
/// registration for its life, an event no allocation, a deadline one store. All calls on the loop's thread.
class EventLoop : public std::enable_shared_from_this<EventLoop> {
 public:
  explicit EventLoop(asio::any_io_executor executor);
  ~EventLoop();

  const asio::any_io_executor& executor() const { return executor_; }
  void start();
  void stop();

  /// Registers for both directions, edge-triggered; what is watched already has a new watcher from now on, who is told
  /// of its readiness anew. False: the kernel refused (out of memory or watches).
  bool watch(Stream& stream, Watcher& watcher);
  /// For sockets that are written to without waiting: readable only, edge-triggered.
  bool watch_input(Stream& stream, Watcher& watcher);
  /// For listening sockets: readable only, level-triggered.
  bool watch_accept(Stream& stream, Watcher& watcher);
  void unwatch(Stream& stream);
  /// `watcher->on_turn()` in the next turn, after what is ready by then: for those who stopped out of fairness.
  void again(Watcher& watcher);
  void forget(Watcher& watcher);
  void bury(std::unique_ptr<Mortal> dead) { graveyard_.push_back(std::move(dead)); }

  /// The time at the start of the turn.
  Instant now() const { return now_; }
  void set_deadline(Timed& timed, Instant deadline);
  void clear_deadline(Timed& timed) { timed.deadline_ = Instant::max(); }

  /// Wraps what comes to the loop from elsewhere (a post), so that time is right and the dead are buried.
  template <class Work>
  void enter(Work work) {
    begin_turn();
    work();
    end_turn();
  }

 private:
  static constexpr std::size_t kSlots = 512;
  using Slot = intrusive::list<Timed, intrusive::constant_time_size<false>>;

  bool add(Stream& stream, Watcher& watcher, std::uint32_t events);
  void arm();
  void turn();
  void dispatch(Stream& stream, std::uint32_t events);
  void run_again();
  void begin_turn() { now_ = Clock::now(); }
  void end_turn();
  void place(Timed& timed);
  void arm_tick();
  void tick();
  std::uint64_t tick_of(Instant instant) const;

  asio::any_io_executor executor_;
  asio::posix::stream_descriptor epoll_;
  asio::steady_timer ticker_;
  bool ticking_ = false, stopped_ = false, turn_posted_ = false;
  Instant start_, now_;
  std::uint64_t done_ticks_ = 0;
  std::array<Slot, kSlots> wheel_;
  std::vector<Watcher*> again_;
  std::vector<std::unique_ptr<Mortal>> graveyard_;
};

}  // namespace tiltyard::gateway
