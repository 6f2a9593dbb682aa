#include "gateway/upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tiltyard::gateway {

namespace {

// Less than servers keep theirs (gunicorn 2 s, Node and uvicorn 5 s), so that it is we who close.
constexpr auto kIdleFor = std::chrono::milliseconds(1500);
// No server closes a connection so soon on purpose, and who asks more often than that does not pay for connecting.
constexpr auto kSureFor = std::chrono::milliseconds(100);
// A machine that closes a connection sooner than this is not trusted to keep others, for the time behind it.
constexpr auto kQuick = std::chrono::seconds(1), kDistrust = std::chrono::seconds(10);
constexpr std::size_t kMaxIdle = 64;
// So much may come at once before the pace counts, and so long may somebody wait for a turn.
constexpr auto kBurst = std::chrono::seconds(10), kLongestTurn = std::chrono::seconds(10);

}  // namespace

bool SocketAddress::operator==(const SocketAddress& other) const {
  return size == other.size && std::memcmp(&storage, &other.storage, size) == 0;
}

int connect_error(const Stream& stream) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(stream.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

void set_no_delay(int fd) {
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void bound_buffers(int fd) {
  // The kernel doubles it for its own needs. Less would cost a stream more wake-ups for each megabyte.
  constexpr int kMost = 1024 * 1024;
  // Beyond net.core.[rw]mem_max only with CAP_NET_ADMIN; without it that is the bound.
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kMost, sizeof kMost) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kMost, sizeof kMost);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kMost, sizeof kMost) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kMost, sizeof kMost);
}

bool Upstream::has_ended() const {
  char byte;
  return ::recv(stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

// Idle: whatever happens on it (the machine closed it, or speaks unasked) makes it useless.
void Upstream::on_ready(Stream& ready) {
  if (!ready.readable && !ready.peer_ended && !ready.broken) return;
  home_.note_end(*this);
  home_.discard(*this);
}

void Upstream::on_deadline() { home_.discard(*this); }

std::unique_ptr<Upstream> Endpoint::take_idle(Reuse reuse) {
  const auto now = loop_.now();
  // The last one is the youngest.
  while (!idle_.empty() &&
         (reuse == Reuse::kAny || (now >= quick_to_close_until_ && now - idle_.back()->kept_at <= kSureFor))) {
    auto upstream = std::move(idle_.back());
    idle_.pop_back();
    loop_.clear_deadline(*upstream);
    upstream->reused = true;
    // What can be sent again need not ask the kernel first.
    if (reuse == Reuse::kAny || !upstream->has_ended()) return upstream;
    note_end(*upstream);
    upstream->stream.close();
    loop_.bury(std::move(upstream));
  }
  return nullptr;
}

void Endpoint::note_end(const Upstream& upstream) {
  const auto now = loop_.now();
  if (now - upstream.kept_at < kQuick) quick_to_close_until_ = now + kDistrust;
}

/// The generic cell rate algorithm (ITU-T I.371) with a queue instead of a loss.
std::optional<Instant> Endpoint::turn_to_connect(Instant now) {
  const auto last = std::max(next_turn_, now);
  const auto turn = last - kBurst;
  if (turn > now + kLongestTurn) return std::nullopt;
  next_turn_ = last + pace_;
  return std::max(turn, now);
}

std::unique_ptr<Upstream> Endpoint::connect(Watcher& watcher, bool speaks_first) {
  auto upstream = std::make_unique<Upstream>(*this);
  auto& stream = upstream->stream;
  stream.fd = ::socket(address_.storage.sin6_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (stream.fd < 0) return nullptr;
  set_no_delay(stream.fd);
  bound_buffers(stream.fd);
  // The handshake's last packet brings the first bytes along.
  constexpr int kOff = 0;
  if (speaks_first) ::setsockopt(stream.fd, IPPROTO_TCP, TCP_QUICKACK, &kOff, sizeof kOff);
  if (::connect(stream.fd, address_.get(), address_.size) != 0 && errno != EINPROGRESS) return nullptr;
  if (!loop_.watch(stream, watcher)) return nullptr;
  return upstream;
}

void Endpoint::keep(std::unique_ptr<Upstream> upstream) {
  auto& stream = upstream->stream;
  if (retired_ || idle_.size() >= kMaxIdle || stream.readable || stream.peer_ended || stream.broken) {
    stream.close();
    loop_.bury(std::move(upstream));
    return;
  }
  stream.watcher = upstream.get();
  upstream->kept_at = loop_.now();
  loop_.set_deadline(*upstream, upstream->kept_at + kIdleFor);
  idle_.push_back(std::move(upstream));
}

void Endpoint::discard(Upstream& upstream) {
  for (auto& kept : idle_) {
    if (kept.get() != &upstream) continue;
    upstream.stream.close();
    std::swap(kept, idle_.back());
    loop_.bury(std::move(idle_.back()));
    idle_.pop_back();
    return;
  }
}

void Endpoint::retire() {
  retired_ = true;
  close_idle();
}

void Endpoint::close_idle() {
  for (auto& kept : idle_) {
    kept->stream.close();
    loop_.bury(std::move(kept));
  }
  idle_.clear();
}

}  // namespace tiltyard::gateway
