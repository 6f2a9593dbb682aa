#include "gateway/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tiltyard::gateway {

void Stream::put_on(std::unique_ptr<Layer> layer) { layer_ = std::move(layer); }

IoResult Stream::receive(char* to, std::size_t size) {
  while (true) {
    auto got = ::recv(fd, to, size, 0);
    if (got > 0) {
      // Less than asked for means that nothing is left (epoll(7)); the end of the stream is still to be read though.
      if (static_cast<std::size_t>(got) < size && !peer_ended) readable = false;
      return {Io::kOk, static_cast<std::size_t>(got)};
    }
    if (got == 0) {
      readable = false;
      peer_ended = true;
      return {Io::kEnd, 0};
    }
    if (errno == EINTR) continue;
    readable = false;
    if (errno == EAGAIN) return {Io::kBlocked, 0};
    broken = true;
    return {Io::kBroken, 0};
  }
}

IoResult Stream::transmit(std::span<const iovec> pieces, bool more) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  while (true) {
    auto sent = ::sendmsg(fd, &message, more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);
    if (sent >= 0) {
      std::size_t wanted = 0;
      for (const auto& piece : pieces) wanted += piece.iov_len;
      if (static_cast<std::size_t>(sent) < wanted) writable = false;
      return {Io::kOk, static_cast<std::size_t>(sent)};
    }
    if (errno == EINTR) continue;
    writable = false;
    if (errno == EAGAIN) return {Io::kBlocked, 0};
    broken = true;
    return {Io::kBroken, 0};
  }
}

Arrival Stream::hand_over(std::string first) {
  Arrival given{.fd = std::exchange(fd, -1), .layer = std::move(layer_), .first = std::move(first)};
  given.watched = std::exchange(watched, false);
  readable = writable = false;
  return given;
}

void Stream::take(Arrival& arrival) {
  fd = std::exchange(arrival.fd, -1);
  watched = std::exchange(arrival.watched, false);
}

bool Stream::has_bytes() const {
  if (fd >= 0 && layer_) return layer_->has_bytes(*this);
  char byte;
  return fd >= 0 && ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void Stream::shutdown_write() {
  if (fd < 0) return;
  if (layer_) layer_->finish(*this);
  ::shutdown(fd, SHUT_WR);
}

void Stream::close() {
  layer_.reset();
  if (fd >= 0) ::close(fd);
  fd = -1;
  readable = writable = watched = false;
}

void Stream::reset() {
  if (fd >= 0) {
    linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  close();
}

}  // namespace tiltyard::gateway
