#include "gateway/udp_batch.h"

#include <cerrno>
#include <utility>

namespace tiltyard::gateway {

UdpBatch::UdpBatch() : space_(std::make_unique_for_overwrite<char[]>(kMost * kLargest)) {
  for (std::size_t i = 0; i < kMost; ++i) {
    pieces_[i] = {space(i), kLargest};
    auto& head = heads_[i].msg_hdr;
    head.msg_name = &froms_[i].storage;
    head.msg_iov = &pieces_[i];
    head.msg_iovlen = 1;
    sent_[i].msg_hdr.msg_iov = &sent_pieces_[i];
    sent_[i].msg_hdr.msg_iovlen = 1;
  }
}

std::size_t UdpBatch::receive(int fd) {
  for (auto& head : heads_) head.msg_hdr.msg_namelen = sizeof(SocketAddress::storage);
  const int got = ::recvmmsg(fd, heads_.data(), kMost, MSG_DONTWAIT, nullptr);
  if (got <= 0) return 0;
  const auto count = static_cast<std::size_t>(got);
  for (std::size_t i = 0; i < count; ++i) froms_[i].size = heads_[i].msg_hdr.msg_namelen;
  return count;
}

std::size_t UdpBatch::send(int fd, const SocketAddress* to) {
  const auto count = std::exchange(count_, 0);
  if (count == 1) return send_datagram(fd, bytes(chosen_[0]), to) ? 1 : 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto from = bytes(chosen_[i]);
    sent_pieces_[i] = {const_cast<char*>(from.data()), from.size()};
    auto& head = sent_[i].msg_hdr;
    head.msg_name = to ? const_cast<sockaddr*>(to->get()) : nullptr;
    head.msg_namelen = to ? to->size : 0;
  }
  std::size_t done = 0, taken = 0;
  while (done < count) {
    const auto left = static_cast<unsigned>(count - done);
    const int sent = ::sendmmsg(fd, sent_.data() + done, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
      taken += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EAGAIN || errno == ENOBUFS) break;
    // It was about an earlier one (a port that is closed), or this one is too large for the way: the next may pass.
    if (send_datagram(fd, bytes(chosen_[done]), to)) ++taken;
    ++done;
  }
  return taken;
}

bool send_datagram(int fd, std::span<const char> bytes, const SocketAddress* to) {
  // The first answer may be the news that an earlier one found nobody (ICMP); then this one has not gone yet.
  for (int tries = 0; tries < 2; ++tries) {
    if (::sendto(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to ? to->get() : nullptr,
                 to ? to->size : 0) >= 0)
      return true;
    if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH) return false;
  }
  return false;
}

}  // namespace tiltyard::gateway
