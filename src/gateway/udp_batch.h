#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "gateway/upstream.h"

namespace tiltyard::gateway {

/// Datagrams on their way through one loop: what one system call has read, until the next one. Its 2 MB are asked for
/// when the loop opens its first UDP port, and the kernel gives only those pages that something was written to.
class UdpBatch {
 public:
  static constexpr std::size_t kMost = 32, kLargest = 64 * 1024;

  UdpBatch();
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;

  /// Reads what waits; 0: nothing, or what the kernel had to say of the socket was an error.
  std::size_t receive(int fd);
  std::span<const char> bytes(std::size_t index) const { return {space(index), heads_[index].msg_len}; }
  const SocketAddress& from(std::size_t index) const { return froms_[index]; }

  /// Takes one of what was read into what is sent next.
  void add(std::size_t index) { chosen_[count_++] = index; }
  /// Sends what was added, to `to` or, where it is null, to whom the socket is connected; forgets it. How many were
  /// taken: the others are lost, as datagrams may be.
  std::size_t send(int fd, const SocketAddress* to);

 private:
  char* space(std::size_t index) const { return space_.get() + index * kLargest; }

  std::unique_ptr<char[]> space_;
  std::array<mmsghdr, kMost> heads_{}, sent_{};
  std::array<iovec, kMost> pieces_{}, sent_pieces_{};
  std::array<SocketAddress, kMost> froms_;
  std::array<std::size_t, kMost> chosen_{};
  std::size_t count_ = 0;
};

/// One datagram. False: it is lost.
bool send_datagram(int fd, std::span<const char> bytes, const SocketAddress* to = nullptr);

}  // namespace tiltyard::gateway
