#pragma once

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/shard.h"
#include "gateway/udp_batch.h"

namespace tiltyard::gateway {

/// What may go back to addresses that have not shown that anybody is there, beyond three times what came from them: an
/// address that is forged is somebody else's, and must not be flooded from here. 16 KiB, which fill again at 4 KiB a
/// second. Addresses that meet in one place of the table push each other out; which ones do, nobody outside can tell.
class Allowances {
 public:
  /// False: not so much is left.
  bool take(net::Holder address, std::size_t bytes, Instant now);

 private:
  struct Bucket {
    net::Holder address = 0;
    std::int64_t bytes = 0;
    Instant filled;
  };
  std::array<Bucket, 1024> buckets_;
};

/// Hooks of a flow and of a port, into the lists of what they belong to.
using PortHook = intrusive::list_base_hook<intrusive::tag<struct OfPort>, AutoUnlink>;
using RoomHook = intrusive::list_base_hook<intrusive::tag<struct OfRoom>, AutoUnlink>;

class UdpPort;
struct UdpRoom;

/// One client of one UDP port: its datagrams go to the machine over a socket of its own, and what comes back there goes
/// to it alone. Begins with the first datagram, ends when nothing has come for a while.
class UdpFlow final : public Watcher, public Timed, public Mortal, public PortHook {
 public:
  struct Visitor {
    std::optional<net::Holder> address;  ///< none: it speaks for many
    std::optional<Pass> pass;            ///< where the door is not everybody's
  };
  UdpFlow(UdpPort& port, const SocketAddress& client, Visitor visitor, net::Shares::Hold seat);

  bool open();
  /// Closes it; its port takes it out of its lists and buries it.
  void close();
  const SocketAddress& client() const { return client_; }
  const std::optional<net::Holder>& address() const { return visitor_.address; }
  /// What let it in, where not everybody is.
  const std::optional<Pass>& pass() const { return visitor_.pass; }
  Instant heard() const { return heard_; }
  /// Whether somebody is there who hears what is answered. It is believed as long as an idle client is kept.
  bool proven() const { return rounds_ >= kRounds && !long_unheard(); }

  /// `count` datagrams of the batch, from `first`.
  void forward(UdpBatch& batch, std::size_t first, std::size_t count);
  void woke(bool good);
  void on_ready(Stream&) override { pass_answers(); }
  void on_turn() override { pass_answers(); }

 private:
  static constexpr std::uint8_t kRounds = 3;

  void on_deadline() override;
  void pass_answers();
  bool long_unheard() const;
  void hear(std::size_t bytes);
  bool may_answer(std::size_t bytes);
  void hold(std::span<const char> bytes);
  void let_go();
  void touch();

  UdpPort& port_;
  const SocketAddress client_;
  const Visitor visitor_;
  net::Shares::Hold seat_;
  Stream machine_;
  Instant heard_;            ///< when the client last sent something
  std::int64_t credit_ = 0;  ///< bytes that may go to it while it is not proven
  std::uint8_t rounds_ = 0;  ///< times that it has sent something after an answer
  bool answered_ = false;    ///< since it last sent something
  bool has_answer_ = false;  ///< ever
  std::vector<std::string> held_;
};

/// A UDP port of the gateway, on the loop that owns it, and its clients' flows.
class UdpPort final : public Watcher, public Mortal, public RoomHook {
 public:
  UdpPort(Shard& shard, UdpRoom& room, int fd, Target target);
  ~UdpPort() override;

  bool start();
  /// The way to the machine as it is published now; where it leads elsewhere, the flows end.
  void move_to(const Target& target);
  void close();
  void woke(bool good);
  /// Ends the flows of those whose pass is good no more.
  void revoke(const DoorBook& doors);
  /// No new ones.
  void drain() { draining_ = true; }
  void on_ready(Stream&) override;

 private:
  friend class UdpFlow;
  struct Hash {
    std::size_t operator()(const SocketAddress& address) const;
  };
  using Order = intrusive::list<UdpFlow, intrusive::base_hook<PortHook>, intrusive::constant_time_size<false>>;

  UdpFlow* flow_of(const SocketAddress& client);
  UdpFlow* open_flow(const SocketAddress& client);
  net::Shares::Hold seat_for(const std::optional<net::Holder>& address);
  UdpFlow* longest_silent(const std::optional<net::Holder>& address);
  bool make_room(const std::optional<net::Holder>& address);
  bool make_room_for_all();
  bool turn_has_come();
  std::optional<UdpFlow::Visitor> let_in(const SocketAddress& client) const;
  void remove(UdpFlow& flow);
  void close_flows();
  /// It is the youngest now.
  void renew(UdpFlow& flow);
  void count(std::uint64_t in, std::uint64_t out);
  void drop(DropReason why, std::uint64_t datagrams = 1);
  bool asleep() const { return target_.instance->asleep; }
  bool enter_meters();
  void leave_meters();
  /// Whether more has been moved than may be.
  bool over_limit() const;
  InstanceTraffic& traffic() const { return *target_.instance->publication->traffic; }

  Shard& shard_;
  UdpRoom& room_;
  Stream stream_;
  Target target_;
  std::unordered_map<SocketAddress, std::unique_ptr<UdpFlow>, Hash> flows_;
  Order unproven_, proven_;  ///< the longest silent first
  Instant next_flow_;
  bool draining_ = false;
};

/// What the UDP ports of one loop share.
struct UdpRoom {
  UdpBatch batch;
  Allowances allowances;
  intrusive::list<UdpPort, intrusive::base_hook<RoomHook>, intrusive::constant_time_size<false>> ports;
  Instant shed_after;  ///< no room is made for all before
};

}  // namespace tiltyard::gateway
