#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/intrusive/list.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/compact.h"
#include "gateway/buffer.h"
#include "gateway/contacts.h"
#include "gateway/counters.h"
#include "gateway/door.h"
#include "gateway/event_loop.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/upstream.h"
#include "net/shares.h"

namespace tiltyard::gateway {

/// One endpoint as the home loop hands it to the shards; never changed afterwards.
struct PublishedRoute {
  EndpointKind kind;
  std::string endpoint;
  std::vector<std::string> hosts;  ///< lower case
  std::uint16_t port;
  SocketAddress machine;
  Rare<std::string> called;  ///< the Host that the machine gets, where it is not the player's
  Door door;                 ///< never unsaid
  Handover handover = {};
  std::shared_ptr<Meter> meter = {};  ///< null: nothing of it is limited
};

struct Publication {
  InstanceId instance;
  std::vector<PublishedRoute> routes;
  std::shared_ptr<InstanceTraffic> traffic;
  std::optional<net::Holder> owner;
  std::shared_ptr<Meter> meter;  ///< of all of the owner's; null: nothing is limited
};

/// By path.
using OwnAnswers = std::map<std::string, std::string, std::less<>>;

struct AllHook;
struct InstanceHook;
using AutoUnlink = intrusive::link_mode<intrusive::auto_unlink>;

class Instance;
class Shard;
struct ProxyHeader;
class UdpPort;
struct UdpRoom;
struct Target;

/// A port that the gateway listens on for one endpoint alone.
struct OwnedPort {
  std::uint16_t number = 0;
  Transport transport = Transport::kTcp;

  auto operator<=>(const OwnedPort&) const = default;
  struct Hash {
    std::size_t operator()(OwnedPort port) const {
      return static_cast<std::size_t>(port.number) << 1 | static_cast<std::size_t>(port.transport);
    }
  };
};

/// Who has come, and the seat that this connection takes in the whole and in its address' share.
struct Guest {
  std::optional<net::Holder> address;  ///< none: it speaks for many
  net::Shares::Hold seat;
  SocketAddress from;      ///< the player's, or that of the proxy that speaks for many
  Rare<SocketAddress> to;  ///< where the player has connected to, if that is not the socket's own address
  bool trusted = false;    ///< it is one of server.trusted_proxies: what it says of a request's way is so
  bool secure = false;     ///< the player speaks TLS to whoever has handed the connection on
};

/// By which way somebody comes in.
struct Entrance {
  enum class Kind : std::uint8_t { kHttp, kTcp, kTls };
  Kind kind = Kind::kHttp;
  std::uint16_t port = 0;  ///< of kTcp
};

/// One player's connection, on one loop for its whole life. Ends with `close`, which buries it.
class Session : public Watcher,
                public Timed,
                public Mortal,
                public intrusive::list_base_hook<intrusive::tag<AllHook>, AutoUnlink>,
                public intrusive::list_base_hook<intrusive::tag<InstanceHook>, AutoUnlink> {
 public:
  Session(Shard& shard, Guest guest);
  ~Session() override;

  /// Cuts the connection at once, so that the client sees that it was cut.
  virtual void cut() = 0;
  /// Shutting down: closes if nothing is under way, otherwise after what is under way.
  virtual void drain() = 0;
  /// The instance sleeps from now on: what needs it must have it woken.
  virtual void fell_asleep() = 0;
  /// What was held goes on, or ends because nobody could wake the instance.
  virtual void woke(bool good) = 0;
  /// Which of the instance's endpoints is in use; null: none now.
  Endpoint* endpoint() const { return endpoint_.get(); }
  /// The instance was published anew and this connection stays.
  void move_to(std::shared_ptr<Instance> instance) { instance_ = std::move(instance); }
  /// When the last byte came or went.
  Instant active() const { return active_; }
  const std::optional<net::Holder>& address() const { return guest_.address; }
  /// By what its visitor is let in, where the instance is its owner's alone.
  const std::optional<Pass>& pass() const { return pass_; }
  /// How much of its share its address has taken: 0 to 1.
  double crowding() const { return guest_.seat.load(); }

 protected:
  /// Counts the connection to the instance. False: the instance has as many as it may, or its owner, or this address.
  /// `spoken_for`: whom a trusted proxy speaks for just now; the share at the instance is theirs then.
  bool attach(std::shared_ptr<Instance> instance, std::optional<net::Holder> spoken_for = std::nullopt);
  /// That its visitor has come to this endpoint: once for each that the connection goes to, one after the other.
  void note_contact(const Target& target);
  /// Takes this endpoint's and its owner's limits into account from now on. False: they are used up.
  bool enter_meters(const Target& target);
  /// Whether no bytes may be moved now, as more have been than may be; `on_turn` comes when they may again.
  bool pausing() { return meters_ && must_pause(); }
  void detach();
  LoopTraffic* traffic() const;
  void count(std::uint64_t in, std::uint64_t out);
  bool asleep() const;
  /// Has the instance woken and waits for `woke`, at most `wake_timeout`: then the deadline comes. False: too many
  /// wait.
  bool hold();
  bool held() const { return held_; }
  /// Whether who is connected is a proxy that is trusted.
  bool by_proxy() const { return guest_.trusted; }
  void let_go();
  /// For the session that goes on with this connection.
  Guest hand_over() { return std::move(guest_); }
  const SocketAddress& from() const { return guest_.from; }
  /// Where the player has connected to; `fd` is the connection's.
  SocketAddress to(int fd) const;
  /// Whether an answer is awaited: a machine that is at work for somebody is not idle.
  void await_answer(bool awaited);

  Shard& shard_;
  std::shared_ptr<Instance> instance_;
  std::shared_ptr<Endpoint> endpoint_;
  std::optional<Pass> pass_;

 private:
  class Pause;
  struct Meters {
    std::shared_ptr<Meter> endpoint, owner;
    std::unique_ptr<Pause> pause;
    ~Meters();
  };

  bool take_shares(const Instance& instance);
  void leave_meters();
  void spend(std::uint64_t bytes);
  bool must_pause();

  Guest guest_;
  std::optional<net::Holder> spoken_for_;
  net::Shares::Hold of_owner_, at_instance_;
  Instant active_;
  std::unique_ptr<Meters> meters_;   ///< null: nothing that it uses is limited
  const Endpoint* noted_ = nullptr;  ///< it has come to, and as whom
  Party noted_visitor_ = 0;
  bool held_ = false, awaits_answer_ = false;
};

/// An instance as one loop knows it.
class Instance {
 public:
  explicit Instance(std::shared_ptr<const Publication> publication) : publication(std::move(publication)) {}

  std::shared_ptr<const Publication> publication;
  std::vector<std::shared_ptr<Endpoint>> endpoints;  ///< one per route, in the same order
  /// The Host that this endpoint's machine is asked by; empty: as the player asks.
  std::string_view called(const Endpoint& endpoint) const;
  bool asleep = false, wake_asked = false;
  Instant shed_after;  ///< no room is made among its connections before
  intrusive::list<Session, intrusive::base_hook<intrusive::list_base_hook<intrusive::tag<InstanceHook>, AutoUnlink>>,
                  intrusive::constant_time_size<false>>
      sessions;
};

/// A route found: the instance and the way to its machine.
struct Target {
  std::shared_ptr<Instance> instance;
  std::shared_ptr<Endpoint> endpoint;
  Door door = Door::kOwner;
  EndpointKind kind = EndpointKind::kHttp;
  Handover handover = {};
};

/// Where a host name of somebody's own leads. The target is there as long as the instance is published.
struct Named {
  std::string instance, endpoint;
  std::optional<Target> target;
};

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
};

/// A listening socket on one loop.
class Listener final : public Watcher, public Mortal, public Timed {
 public:
  using Accepted = std::function<void(int fd, const SocketAddress& peer)>;
  Listener(EventLoop& loop, int fd, Accepted accepted);
  bool start();
  void close() { stream_.close(); }
  void on_ready(Stream&) override;
  void on_deadline() override;

 private:
  EventLoop& loop_;
  Stream stream_;
  Accepted accepted_;
};

/// What the shards of one gateway share.
struct Shared {
  explicit Shared(Options settings)
      : options(std::move(settings)),
        addresses(options.max_connections_per_address, options.max_connections),
        owners(options.max_connections_per_owner, net::Shares::kUnlimited),
        at_instances(options.max_connections_per_address_and_instance, net::Shares::kUnlimited),
        flows(options.max_udp_flows_per_address, options.max_udp_flows) {}

  const Options options;
  net::Shares addresses;     ///< connections of players, over all loops
  net::Shares owners;        ///< those to their instances
  net::Shares at_instances;  ///< by address and instance
  net::Shares flows;         ///< clients of UDP endpoints, over all loops
  DoorMemory door_memory;
  std::uint16_t tls_port = 0;                         ///< set before the first starts
  std::vector<std::weak_ptr<Shard>> shards;           ///< filled before the first starts, then never changed
  std::function<void()> contacts_wait;                ///< somebody has come; from any loop, set before the first starts
  std::function<void(const InstanceId&)> want_awake;  ///< from any loop; set before the first starts
};

/// The gateway's part on one net loop: its routes, connections and counters. Everything on the loop's thread, unless
/// said otherwise; other threads post.
class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(asio::any_io_executor executor, std::size_t index, std::shared_ptr<Shared> shared);
  ~Shard();

  EventLoop& loop() { return *loop_; }
  BlockPool& blocks() { return blocks_; }
  PipePool& pipes() { return pipes_; }
  const Options& options() const { return shared_->options; }
  Shared& shared() { return *shared_; }
  std::size_t index() const { return index_; }
  LoopTotals& totals() { return totals_; }
  bool draining() const { return draining_; }

  /// Negative: there is none.
  void start(int http_listener, int tls_listener);
  void publish(std::shared_ptr<const Publication> publication);
  /// Opens a published port, once all shards know its route.
  void listen(OwnedPort port, int fd);
  void withdraw(const InstanceId& instance);
  void set_asleep(const InstanceId& instance, bool asleep);
  /// The instance stays asleep, and nobody who waits for it is kept any longer.
  void give_up_waking(const InstanceId& instance);
  void ask_to_wake(Instance& instance);
  DoorBook& doors() { return doors_; }
  ContactBook& contacts() { return contacts_; }
  /// Somebody has come to the endpoint and was let in.
  void note_contact(const Target& target, const SocketAddress& from, const std::optional<Pass>& pass);
  /// From now on this party's passes of before let nobody in; who came in by one is cut.
  void revoke(Party party, Millis until);
  /// Whether the instance is still published as this one.
  bool serves(const Instance& instance) const;
  void close(OwnedPort port);
  /// Stops listening and lets connections end; `on_empty` is called when none is left.
  void drain(std::function<void()> on_empty);
  /// Cuts all connections and ends the loop's part.
  void shut();

  void name(std::string host, const InstanceId& instance, std::string endpoint);
  void unname(const std::string& host);

  /// By the whole name of a host: in small letters, without a last dot.
  const Target* find_name(std::string_view host) const;
  /// The text that the gateway itself answers with at this target; null, and at once, where there is none.
  const std::string* own_answer(std::string_view target) const;
  void set_own_answers(std::shared_ptr<const OwnAnswers> answers) { own_answers_ = std::move(answers); }
  const Target* find_port(std::uint16_t port, Transport transport = Transport::kTcp) const;
  /// Drops connections to the instance that have long been silent, those of whom there are many first. False: none.
  bool make_room(Instance& instance);
  /// Somebody who hands on connections has said whose this one is.
  void enter_as(Entrance entrance, int fd, Guest guest, const ProxyHeader& header);
  /// Somebody who should have said whose a connection is has not.
  void note_no_header(const SocketAddress& from);
  void add(Session& session);
  /// Takes a session out and buries it.
  void remove(Session& session);
  /// Executes `work` on this shard's loop, inside a turn. From any thread.
  void post(std::function<void(Shard&)> work);

 private:
  void listen_tcp(std::uint16_t port, int fd);
  void listen_udp(std::uint16_t port, int fd);
  void close_tcp(std::uint16_t port);
  void close_udp(std::uint16_t port);
  /// What its UDP ports on this loop hold goes on, or is dropped.
  void datagrams_woke(const Instance& instance, bool good);
  void accept(Entrance entrance, int fd, const SocketAddress& peer);
  void enter(Entrance entrance, int fd, Guest guest);
  void deal_out(std::uint16_t port, int fd, Guest guest);
  void open_tcp(std::uint16_t port, int fd, Guest guest);
  /// A seat for whoever has just come; nullopt: there is none for them, and the socket is to be closed. `for_many`: it
  /// hands on the connections of others.
  std::optional<Guest> admit(int fd, const SocketAddress& peer, bool for_many);
  void refuse(Entrance entrance, int fd);
  void forget_routes(Instance& instance);
  /// Finds the endpoints of the names that lead to this instance, or that nothing of it is there.
  void lead_names(const std::string& instance);
  void check_empty();

  std::shared_ptr<Shared> shared_;
  std::size_t index_;
  std::shared_ptr<EventLoop> loop_;
  BlockPool blocks_;
  PipePool pipes_;
  LoopTotals totals_;
  DoorBook doors_;
  ContactBook contacts_;
  std::unordered_map<std::string_view, Target> hosts_;  ///< names are the publication's, which the target holds
  std::unordered_map<OwnedPort, Target, OwnedPort::Hash> ports_;
  std::unordered_map<std::string, Named, NameHash, std::equal_to<>> names_;
  std::set<std::pair<std::string, std::string>> names_of_;                     ///< instance and name, of all in names_
  std::unordered_map<std::string_view, std::shared_ptr<Instance>> instances_;  ///< by the publication's own id
  std::unordered_map<std::uint16_t, std::unique_ptr<Listener>> tcp_listeners_;
  std::unique_ptr<UdpRoom> udp_;  ///< since the first UDP port
  std::unordered_map<std::uint16_t, std::unique_ptr<UdpPort>> udp_ports_;
  std::unique_ptr<Listener> http_listener_, tls_listener_;
  intrusive::list<Session, intrusive::base_hook<intrusive::list_base_hook<intrusive::tag<AllHook>, AutoUnlink>>,
                  intrusive::constant_time_size<false>>
      sessions_;
  std::shared_ptr<const OwnAnswers> own_answers_;  ///< null: there are none
  std::size_t next_shard_ = 0;
  Instant shed_after_;  ///< no room is made before
  Instant quiet_about_headers_;
  bool draining_ = false;
  std::function<void()> on_empty_;
};

}  // namespace tiltyard::gateway
