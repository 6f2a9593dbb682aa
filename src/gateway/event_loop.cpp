#include "gateway/event_loop.h"

#include <boost/asio/post.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace tiltyard::gateway {

namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
// What has a deadline and failed at it.
constexpr auto kTryAgain = std::chrono::seconds(1);
// A turn ends after so many events, so that a published route never waits long behind traffic.
constexpr int kEventsPerRound = 64;
constexpr int kRoundsPerTurn = 2;

int make_epoll() {
  int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return fd;
}

}  // namespace

EventLoop::EventLoop(asio::any_io_executor executor)
    : executor_(std::move(executor)),
      epoll_(executor_, make_epoll()),
      ticker_(executor_),
      start_(Clock::now()),
      now_(start_) {}

EventLoop::~EventLoop() = default;

void EventLoop::start() { arm(); }

void EventLoop::stop() {
  stopped_ = true;
  boost::system::error_code ignored;
  epoll_.cancel(ignored);
  ticker_.cancel();
  end_turn();
}

bool EventLoop::watch(Stream& stream, Watcher& watcher) {
  return add(stream, watcher, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool EventLoop::watch_input(Stream& stream, Watcher& watcher) { return add(stream, watcher, EPOLLIN | EPOLLET); }

bool EventLoop::watch_accept(Stream& stream, Watcher& watcher) { return add(stream, watcher, EPOLLIN); }

bool EventLoop::add(Stream& stream, Watcher& watcher, std::uint32_t events) {
  stream.watcher = &watcher;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &stream;
  const int how = stream.watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  stream.watched = ::epoll_ctl(epoll_.native_handle(), how, stream.fd, &event) == 0;
  return stream.watched;
}

void EventLoop::unwatch(Stream& stream) {
  if (std::exchange(stream.watched, false)) ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, stream.fd, nullptr);
}

void EventLoop::again(Watcher& watcher) {
  again_.push_back(&watcher);
  if (turn_posted_) return;
  turn_posted_ = true;
  asio::post(executor_, [self = shared_from_this()] {
    self->turn_posted_ = false;
    if (!self->stopped_) self->turn();
  });
}

void EventLoop::forget(Watcher& watcher) {
  std::replace(again_.begin(), again_.end(), &watcher, static_cast<Watcher*>(nullptr));
}

void EventLoop::arm() {
  epoll_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](boost::system::error_code error) {
                      if (error || self->stopped_) return;
                      try {
                        self->turn();
                      } catch (...) {
                        // Out of memory, or a bug: the loop's owner logs it; the other connections go on.
                        if (!self->stopped_) self->arm();
                        throw;
                      }
                      if (!self->stopped_) self->arm();
                    });
}

void EventLoop::turn() {
  begin_turn();
  run_again();
  std::array<epoll_event, kEventsPerRound> events;
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    int count = ::epoll_wait(epoll_.native_handle(), events.data(), kEventsPerRound, 0);
    for (int i = 0; i < count; ++i) dispatch(*static_cast<Stream*>(events[i].data.ptr), events[i].events);
    if (count < kEventsPerRound) break;
  }
  end_turn();
}

void EventLoop::dispatch(Stream& stream, std::uint32_t events) {
  if (!stream.open()) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) stream.readable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) stream.writable = true;
  if (events & EPOLLRDHUP) stream.peer_ended = true;
  if (events & (EPOLLERR | EPOLLHUP)) stream.broken = true;
  stream.watcher->on_ready(stream);
}

void EventLoop::run_again() {
  std::vector<Watcher*> watchers;
  watchers.swap(again_);
  // Swapped out so that those who ask anew wait for the next turn. `forget` does not reach these: one that closes in
  // this very turn is buried only at its end, and ignores the call.
  while (!watchers.empty()) {
    auto* watcher = watchers.back();
    watchers.pop_back();
    if (watcher) watcher->on_turn();
  }
}

void EventLoop::end_turn() {
  // The last of a session may be the last of its endpoint, which then buries its idle connections.
  while (!graveyard_.empty()) {
    std::vector<std::unique_ptr<Mortal>> dead;
    dead.swap(graveyard_);
  }
}

std::uint64_t EventLoop::tick_of(Instant instant) const {
  return static_cast<std::uint64_t>((instant - start_) / kTick) + 1;
}

void EventLoop::set_deadline(Timed& timed, Instant deadline) {
  timed.deadline_ = deadline;
  // A later deadline is found out when its old slot comes up; only an earlier one moves now.
  if (timed.is_linked() && timed.slot_tick_ <= tick_of(deadline)) return;
  timed.unlink();
  if (!ticking_) done_ticks_ = tick_of(now_) - 1;  // the wheel is empty and stood still
  place(timed);
  arm_tick();
}

void EventLoop::place(Timed& timed) {
  auto tick = std::clamp(tick_of(timed.deadline_), done_ticks_ + 1, done_ticks_ + kSlots - 1);
  timed.slot_tick_ = tick;
  wheel_[tick % kSlots].push_back(timed);
}

void EventLoop::arm_tick() {
  if (ticking_ || stopped_) return;
  ticking_ = true;
  ticker_.expires_after(kTick);
  ticker_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error || self->stopped_) return;
    self->tick();
  });
}

void EventLoop::tick() {
  begin_turn();
  std::exception_ptr failure;
  auto current = static_cast<std::uint64_t>((now_ - start_) / kTick);
  while (done_ticks_ < current) {
    ++done_ticks_;
    Slot due;
    due.swap(wheel_[done_ticks_ % kSlots]);
    while (!due.empty()) {
      auto& timed = due.front();
      timed.unlink();
      if (timed.deadline_ == Instant::max()) continue;
      if (timed.deadline_ <= now_) {
        timed.deadline_ = Instant::max();
        try {
          timed.on_deadline();
        } catch (...) {
          // Out of memory, or a bug: this one is tried again, and the deadlines of all others hold meanwhile.
          failure = std::current_exception();
          set_deadline(timed, now_ + kTryAgain);
        }
      } else {
        place(timed);
      }
    }
  }
  end_turn();
  // Nothing waits: no more ticks until somebody does, so that an idle server sleeps.
  ticking_ = false;
  if (std::ranges::any_of(wheel_, [](const Slot& slot) { return !slot.empty(); })) arm_tick();
  // The loop's owner logs it.
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tiltyard::gateway
