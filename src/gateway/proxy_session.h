#pragma once

#include "gateway/proxy_header.h"
#include "gateway/shard.h"

namespace tiltyard::gateway {

/// A connection of somebody who hands on those of others (`Options::hands_on`), until it has said whose it is: then it
/// goes in as theirs. The header's bytes alone are taken from the socket, so that whoever goes on begins with the
/// player's first one. Without a header nobody comes in.
class ProxySession final : public Session {
 public:
  static void begin(Shard& shard, int fd, Entrance entrance, Guest guest);

  void on_ready(Stream& stream) override;
  void cut() override;
  void drain() override { cut(); }
  void fell_asleep() override {}
  void woke(bool) override {}

 private:
  ProxySession(Shard& shard, Entrance entrance, Guest guest) : Session(shard, std::move(guest)), entrance_(entrance) {}
  void on_deadline() override { cut(); }
  void go_on(std::size_t size, const ProxyHeader& header);
  void end();

  Stream client_;
  const Entrance entrance_;
  bool closed_ = false;
};

}  // namespace tiltyard::gateway
