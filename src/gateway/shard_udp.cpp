// A loop's UDP ports.
#include <unistd.h>

#include "gateway/shard.h"
#include "gateway/udp_port.h"

namespace tiltyard::gateway {

void Shard::listen_udp(std::uint16_t port, int fd) {
  const auto* target = find_port(port, Transport::kUdp);
  if (!target) {
    ::close(fd);
    return;
  }
  if (!udp_) udp_ = std::make_unique<UdpRoom>();
  auto opened = std::make_unique<UdpPort>(*this, *udp_, fd, *target);
  opened->start();
  udp_ports_.insert_or_assign(port, std::move(opened));
}

void Shard::close_udp(std::uint16_t port) {
  const auto found = udp_ports_.find(port);
  if (found == udp_ports_.end()) return;
  found->second->close();
  loop_->bury(std::move(found->second));
  udp_ports_.erase(found);
}

void Shard::datagrams_woke(const Instance& instance, bool good) {
  for (const auto& route : instance.publication->routes) {
    if (transport_of(route.kind) != Transport::kUdp) continue;
    if (const auto found = udp_ports_.find(route.port); found != udp_ports_.end()) found->second->woke(good);
  }
}

}  // namespace tiltyard::gateway
