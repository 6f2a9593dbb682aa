#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/event_loop.h"

namespace tiltyard::gateway {

/// A socket address in the kernel's form, of IPv4 or IPv6: every route has one on every loop, and sockaddr_storage
/// takes four times the room.
struct SocketAddress {
  sockaddr_in6 storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // The port is in the same place in both families' forms.
  std::uint16_t port() const { return ntohs(storage.sin6_port); }
  void set_port(std::uint16_t port) { storage.sin6_port = htons(port); }
  bool operator==(const SocketAddress& other) const;
};

static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

class Endpoint;
class Meter;

/// One connection to a machine. In use it is owned and watched by a session, idle by its endpoint.
class Upstream final : public Watcher, public Timed, public Mortal {
 public:
  explicit Upstream(Endpoint& home) : home_(home) {}

  Stream stream;
  bool reused = false;  ///< it has carried an exchange before: the machine may just be closing it
  Instant kept_at;      ///< since when it is idle

  /// Asks the kernel: closed by the machine, or with bytes that nobody asked for.
  bool has_ended() const;
  void on_ready(Stream& ready) override;
  void on_deadline() override;

 private:
  Endpoint& home_;
};

/// Whether a request may go over a connection that the machine is perhaps just closing.
enum class Reuse : bool { kIfSure, kAny };

/// One port of a machine on one loop, with the connections to it that are kept open (1.5 s, 64 of them).
class Endpoint {
 public:
  /// `pace`: the time between two connects, in the long run.
  Endpoint(EventLoop& loop, SocketAddress address, Clock::duration pace, std::shared_ptr<Meter> meter)
      : loop_(loop), address_(address), meter_(std::move(meter)), pace_(pace) {}
  ~Endpoint() { close_idle(); }

  const SocketAddress& address() const { return address_; }
  /// Null: nothing of it is limited.
  const std::shared_ptr<Meter>& meter() const { return meter_; }
  /// An idle connection that has not ended, or null. What may be sent only once gets one that has just been used, and
  /// none of a machine that has lately been quick to close: between the look and the request the machine may close it,
  /// and nobody could tell then whether it has read the request (RFC 9112 section 9.3.1).
  std::unique_ptr<Upstream> take_idle(Reuse reuse);
  /// The machine has ended a connection that was kept.
  void note_end(const Upstream& upstream);
  /// When whoever asks may connect: now, or in a moment; nullopt: too many wait already. Every answer is a turn taken.
  std::optional<Instant> turn_to_connect(Instant now);
  /// Begins to connect: it is done when the stream becomes writable. Null: the kernel refused at once. `speaks_first`:
  /// there are bytes for the machine already.
  std::unique_ptr<Upstream> connect(Watcher& watcher, bool speaks_first);
  void keep(std::unique_ptr<Upstream> upstream);
  void discard(Upstream& upstream);
  /// From now on nothing is kept: the address may soon belong to somebody else.
  void retire();
  void close_idle();

 private:
  EventLoop& loop_;
  SocketAddress address_;
  std::shared_ptr<Meter> meter_;
  Clock::duration pace_;
  Instant next_turn_, quick_to_close_until_;
  bool retired_ = false;
  std::vector<std::unique_ptr<Upstream>> idle_;
};

/// The error of a connect that was under way; 0: connected.
int connect_error(const Stream& stream);
void set_no_delay(int fd);
/// Bounds what the kernel keeps for a socket whose peer does not read: without this it grows to megabytes. Sockets that
/// are accepted inherit it from the one that listens.
void bound_buffers(int fd);

}  // namespace tiltyard::gateway
