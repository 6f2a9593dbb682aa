#include "gateway/shard.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "gateway/hello_session.h"
#include "gateway/http_session.h"
#include "gateway/proxy_session.h"
#include "gateway/sockets.h"
#include "gateway/tcp_session.h"
#include "gateway/udp_port.h"
#include "net/descriptors.h"
#include "observe/log.h"

namespace tiltyard::gateway {

namespace {

constexpr int kAcceptsPerTurn = 64;
// Out of descriptors: look again after this time instead of spinning.
constexpr auto kAcceptPause = std::chrono::milliseconds(200);

// Room is made so often at most; of those whom it concerns, a sixteenth goes at once.
constexpr auto kShedPause = std::chrono::milliseconds(100);
constexpr std::size_t kShedShare = 16;
// Nobody is quieter than this: the fiftieth connection of one address goes before somebody's only one.
constexpr auto kQuietest = std::chrono::minutes(1);
// A proxy that is set up wrongly is told of so often at most, by each loop.
constexpr auto kHeaderPause = std::chrono::minutes(1);

/// Drops those of `sessions` that have been silent longest, weighed by how much of its share their address has taken;
/// only those that `concerns` speaks of. False: nobody was quiet, or it is too soon after the last time.
template <class Sessions, class Concerns>
bool shed(Sessions& sessions, Instant now, Clock::duration quiet_for, Instant& not_before, Concerns concerns) {
  if (now < not_before) return false;
  not_before = now + kShedPause;
  std::vector<std::pair<double, Session*>> quiet;
  std::size_t all = 0;
  for (auto& session : sessions) {
    ++all;
    const auto silent = std::min<Clock::duration>(now - session.active(), kQuietest);
    if (silent < quiet_for || !concerns(session)) continue;
    // The last part keeps an order among those who count for nobody.
    const double weight = session.crowding() + 1e-6;
    quiet.emplace_back(weight * static_cast<double>(silent.count()), &session);
  }
  const auto count = std::min(quiet.size(), std::max<std::size_t>(1, all / kShedShare));
  std::ranges::nth_element(quiet, quiet.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>(),
                           &std::pair<double, Session*>::first);
  for (std::size_t i = 0; i < count; ++i) quiet[i].second->cut();
  return count > 0;
}

/// The way to one of its endpoints, with what its route says of it.
Target target_of(const std::shared_ptr<Instance>& instance, std::size_t index) {
  const auto& route = instance->publication->routes[index];
  return {instance, instance->endpoints[index], route.door, route.kind, route.handover};
}

/// A descriptor on its way to another loop: closed if the loop has ended meanwhile.
struct TravellingSocket {
  int fd;
  Guest guest;
  TravellingSocket(int socket, Guest who) : fd(socket), guest(std::move(who)) {}
  ~TravellingSocket() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

}  // namespace

std::string_view Instance::called(const Endpoint& endpoint) const {
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (endpoints[i].get() != &endpoint) continue;
    const auto& name = publication->routes[i].called;
    return name ? std::string_view(*name) : std::string_view();
  }
  return {};
}

Session::Session(Shard& shard, Guest guest) : shard_(shard), guest_(std::move(guest)), active_(shard.loop().now()) {}
Session::~Session() = default;

SocketAddress Session::to(int fd) const {
  if (guest_.to) return *guest_.to;
  SocketAddress own;
  own.size = sizeof own.storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own.storage), &own.size) != 0) own.size = 0;
  return own;
}

bool Session::attach(std::shared_ptr<Instance> instance, std::optional<net::Holder> spoken_for) {
  if (instance_ == instance && spoken_for_ == spoken_for) return true;
  detach();
  spoken_for_ = spoken_for;
  auto& traffic = *instance->publication->traffic;
  if (!take_shares(*instance) && !(shard_.make_room(*instance) && take_shares(*instance))) return false;
  instance_ = std::move(instance);
  instance_->sessions.push_back(*this);
  auto& mine = traffic.per_loop[shard_.index()];
  mine.connections.add();
  mine.open.add();
  count(0, 0);
  return true;
}

bool Session::take_shares(const Instance& instance) {
  auto& shared = shard_.shared();
  const auto& publication = *instance.publication;
  auto& open = publication.traffic->open;
  bool room = open.fetch_add(1, std::memory_order_relaxed) < shard_.options().max_connections_per_instance;
  if (room && publication.owner) room = static_cast<bool>(of_owner_ = shared.owners.take(*publication.owner));
  if (const auto who = guest_.address ? guest_.address : spoken_for_; room && who) {
    // Any function of both will do: the shares mix what they are given.
    const net::Holder both = *who * 0x9e3779b97f4a7c15 ^ net::holder_of(publication.instance.str());
    room = static_cast<bool>(at_instance_ = shared.at_instances.take(both));
  }
  if (room) return true;
  open.fetch_sub(1, std::memory_order_relaxed);
  of_owner_.reset();
  return false;
}

void Session::detach() {
  if (!instance_) return;
  let_go();
  leave_meters();
  await_answer(false);
  auto& traffic = *instance_->publication->traffic;
  traffic.open.fetch_sub(1, std::memory_order_relaxed);
  traffic.per_loop[shard_.index()].open.sub();
  of_owner_.reset();
  at_instance_.reset();
  intrusive::list_base_hook<intrusive::tag<InstanceHook>, AutoUnlink>::unlink();
  instance_.reset();
}

LoopTraffic* Session::traffic() const {
  return instance_ ? &instance_->publication->traffic->per_loop[shard_.index()] : nullptr;
}

void Session::count(std::uint64_t in, std::uint64_t out) {
  active_ = shard_.loop().now();
  if (meters_) spend(in + out);
  shard_.totals().bytes_in.add(in);
  shard_.totals().bytes_out.add(out);
  if (auto* mine = traffic()) {
    mine->bytes_in.add(in);
    mine->bytes_out.add(out);
    mine->last_activity.set(static_cast<std::uint64_t>(shard_.loop().now().time_since_epoch().count()));
  }
}

bool Session::asleep() const { return instance_ && instance_->asleep; }

bool Session::hold() {
  if (held_) return true;
  auto& held = instance_->publication->traffic->held;
  if (held.fetch_add(1, std::memory_order_relaxed) >= shard_.options().max_held_per_instance) {
    held.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  held_ = true;
  count(0, 0);
  shard_.loop().set_deadline(*this, shard_.loop().now() + shard_.options().wake_timeout);
  shard_.ask_to_wake(*instance_);
  return true;
}

void Session::let_go() {
  if (!held_) return;
  held_ = false;
  instance_->publication->traffic->held.fetch_sub(1, std::memory_order_relaxed);
}

void Session::await_answer(bool awaited) {
  if (!instance_ || awaited == awaits_answer_) return;
  awaits_answer_ = awaited;
  if (awaited) traffic()->waiting.add();
  else traffic()->waiting.sub();
}

Listener::Listener(EventLoop& loop, int fd, Accepted accepted) : loop_(loop), accepted_(std::move(accepted)) {
  stream_.fd = fd;
}

bool Listener::start() { return loop_.watch_accept(stream_, *this); }

void Listener::on_ready(Stream&) {
  for (int i = 0; i < kAcceptsPerTurn && stream_.open(); ++i) {
    SocketAddress peer;
    peer.size = sizeof peer.storage;
    int fd =
        ::accept4(stream_.fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_(fd, peer);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      loop_.unwatch(stream_);
      loop_.set_deadline(*this, loop_.now() + kAcceptPause);
    }
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

void Listener::on_deadline() {
  if (stream_.open()) start();
}

Shard::Shard(asio::any_io_executor executor, std::size_t index, std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)),
      index_(index),
      loop_(std::make_shared<EventLoop>(std::move(executor))),
      blocks_(std::max<std::size_t>(shared_->options.head_limit, 64 * 1024)) {}

Shard::~Shard() { shut(); }

void Shard::start(int http_listener, int tls_listener) {
  loop_->start();
  if (http_listener >= 0) {
    http_listener_ = std::make_unique<Listener>(*loop_, http_listener,
                                                [this](int fd, const SocketAddress& peer) { accept({}, fd, peer); });
    http_listener_->start();
  }
  if (tls_listener < 0) return;
  tls_listener_ = std::make_unique<Listener>(*loop_, tls_listener, [this](int fd, const SocketAddress& peer) {
    accept({.kind = Entrance::Kind::kTls}, fd, peer);
  });
  tls_listener_->start();
}

void Shard::post(std::function<void(Shard&)> work) {
  asio::post(loop_->executor(),
             [self = shared_from_this(), work = std::move(work)] { self->loop_->enter([&] { work(*self); }); });
}

void Shard::publish(std::shared_ptr<const Publication> publication) {
  const auto known = instances_.find(publication->instance.str());
  const auto old = known == instances_.end() ? nullptr : known->second;
  auto next = std::make_shared<Instance>(publication);
  const auto pace = Clock::duration(std::chrono::seconds(shared_->shards.size())) /
                    std::max<std::size_t>(1, shared_->options.connects_per_instance);
  for (const auto& route : publication->routes) {
    std::shared_ptr<Endpoint> endpoint;
    // The same way to the same machine, behind the same door, goes on: its connections stay.
    for (std::size_t i = 0; old && i < old->endpoints.size(); ++i) {
      const auto& before = old->publication->routes[i];
      if (before.kind == route.kind && before.machine == route.machine && before.port == route.port &&
          before.handover == route.handover && before.door == route.door) {
        endpoint = old->endpoints[i];
      }
    }
    if (!endpoint) endpoint = std::make_shared<Endpoint>(*loop_, route.machine, pace, route.meter);
    next->endpoints.push_back(std::move(endpoint));
  }
  if (old) {
    forget_routes(*old);
    for (auto& endpoint : old->endpoints) {
      if (std::ranges::find(next->endpoints, endpoint) == next->endpoints.end()) endpoint->retire();
    }
  }
  if (old) {
    next->asleep = old->asleep;
    instances_.erase(known);
  }
  instances_.emplace(publication->instance.str(), next);
  for (std::size_t i = 0; i < publication->routes.size(); ++i) {
    const auto& route = publication->routes[i];
    const auto target = target_of(next, i);
    for (const auto& host : route.hosts) {
      hosts_.erase(host);  // the name of whoever had it before goes with it
      hosts_.emplace(host, target);
    }
    if (!owns_port(route.kind)) continue;
    const OwnedPort port{route.port, transport_of(route.kind)};
    ports_.insert_or_assign(port, target);
    if (const auto open = udp_ports_.find(route.port); port.transport == Transport::kUdp && open != udp_ports_.end())
      open->second->move_to(target);
  }
  lead_names(publication->instance.str());
  if (!old) return;
  // Sessions whose endpoint has gone are cut; the others keep the instance object that counts them.
  for (auto it = old->sessions.begin(); it != old->sessions.end();) {
    auto& session = *it++;
    auto* used = session.endpoint();
    bool stays = used && std::ranges::any_of(next->endpoints, [&](const auto& e) { return e.get() == used; });
    if (!stays) session.cut();
  }
  next->sessions.splice(next->sessions.end(), old->sessions);
  for (auto& session : next->sessions) session.move_to(next);
}

void Shard::forget_routes(Instance& instance) {
  for (const auto& route : instance.publication->routes) {
    for (const auto& host : route.hosts) {
      auto found = hosts_.find(host);
      if (found != hosts_.end() && found->second.instance.get() == &instance) hosts_.erase(found);
    }
    auto found = ports_.find(OwnedPort{route.port, transport_of(route.kind)});
    if (owns_port(route.kind) && found != ports_.end() && found->second.instance.get() == &instance) {
      ports_.erase(found);
    }
  }
}

void Shard::withdraw(const InstanceId& id) {
  auto found = instances_.find(id.str());
  if (found == instances_.end()) return;
  auto instance = std::move(found->second);
  instances_.erase(found);
  forget_routes(*instance);
  lead_names(id.str());
  for (auto& endpoint : instance->endpoints) endpoint->retire();
  while (!instance->sessions.empty()) instance->sessions.front().cut();
}

void Shard::set_asleep(const InstanceId& id, bool asleep) {
  auto found = instances_.find(id.str());
  if (found == instances_.end()) return;
  auto instance = found->second;
  instance->asleep = asleep;
  instance->wake_asked = false;
  // While it sleeps its programs cannot close what they no longer want; a kept connection would be a trap for the
  // first.
  for (auto& endpoint : instance->endpoints) {
    if (asleep) endpoint->close_idle();
  }
  for (auto it = instance->sessions.begin(); it != instance->sessions.end();) {
    auto& session = *it++;
    if (asleep) session.fell_asleep();
    else session.woke(true);
  }
  if (!asleep) datagrams_woke(*instance, true);
}

void Shard::give_up_waking(const InstanceId& id) {
  auto found = instances_.find(id.str());
  if (found == instances_.end()) return;
  auto instance = found->second;
  instance->wake_asked = false;
  for (auto it = instance->sessions.begin(); it != instance->sessions.end();) (it++)->woke(false);
  datagrams_woke(*instance, false);
}

void Shard::ask_to_wake(Instance& instance) {
  if (instance.wake_asked || !shared_->want_awake) return;
  instance.wake_asked = true;
  shared_->want_awake(instance.publication->instance);
}

void Shard::revoke(Party party, Millis until) {
  doors_.revoke(party, until);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    auto& session = *it++;
    if (session.pass() && doors_.is_revoked(*session.pass())) session.cut();
  }
  for (auto& [number, port] : udp_ports_) port->revoke(doors_);
}

bool Shard::serves(const Instance& instance) const {
  const auto found = instances_.find(instance.publication->instance.str());
  return found != instances_.end() && found->second.get() == &instance;
}

void Shard::listen_tcp(std::uint16_t port, int fd) {
  auto listener = std::make_unique<Listener>(*loop_, fd, [this, port](int socket, const SocketAddress& peer) {
    accept({Entrance::Kind::kTcp, port}, socket, peer);
  });
  listener->start();
  tcp_listeners_.insert_or_assign(port, std::move(listener));
}

void Shard::close_tcp(std::uint16_t port) {
  auto found = tcp_listeners_.find(port);
  if (found == tcp_listeners_.end()) return;
  found->second->close();
  loop_->bury(std::move(found->second));
  tcp_listeners_.erase(found);
}

void Shard::listen(OwnedPort port, int fd) {
  if (port.transport == Transport::kUdp) listen_udp(port.number, fd);
  else listen_tcp(port.number, fd);
}

void Shard::close(OwnedPort port) {
  if (port.transport == Transport::kUdp) close_udp(port.number);
  else close_tcp(port.number);
}

std::optional<Guest> Shard::admit(int fd, const SocketAddress& peer, bool for_many) {
  const auto ip = ip_of(peer);
  Guest guest;
  guest.from = peer;
  guest.trusted = shared_->options.is_proxy && shared_->options.is_proxy(ip);
  if (!guest.trusted && !for_many) guest.address = net::holder_of(ip);
  const auto take = [&] {
    guest.seat = guest.address ? shared_->addresses.take(*guest.address) : shared_->addresses.take_for_many();
    return static_cast<bool>(guest.seat);
  };
  const bool no_descriptor = net::kept_back(fd, net::Door::kGateway);
  if (!no_descriptor && take()) return guest;
  // Who has used up a share of his own makes room for himself alone.
  const bool for_all = no_descriptor || shared_->addresses.full();
  const bool shrunk = shed(sessions_, loop_->now(), shared_->options.quiet, shed_after_,
                           [&](const Session& session) { return for_all || session.address() == guest.address; });
  if (shrunk && !no_descriptor && take()) return guest;
  return std::nullopt;
}

bool Shard::make_room(Instance& instance) {
  return shed(instance.sessions, loop_->now(), shared_->options.quiet, instance.shed_after,
              [](const Session&) { return true; });
}

void Shard::refuse(Entrance entrance, int fd) {
  if (entrance.kind == Entrance::Kind::kHttp) return HttpSession::refuse(fd);
  Stream refused;
  refused.fd = fd;
  refused.reset();
}

void Shard::accept(Entrance entrance, int fd, const SocketAddress& peer) {
  const bool handed_on = shared_->options.hands_on && shared_->options.hands_on(ip_of(peer));
  // Over the limit nothing is promised: the socket is closed, the client may come again.
  auto guest = admit(fd, peer, handed_on);
  if (!guest) return refuse(entrance, fd);
  if (handed_on) ProxySession::begin(*this, fd, entrance, std::move(*guest));
  else enter(entrance, fd, std::move(*guest));
}

void Shard::enter(Entrance entrance, int fd, Guest guest) {
  switch (entrance.kind) {
    case Entrance::Kind::kHttp: {
      // Where TLS has a port of its own, this one is without.
      const bool secure = (shared_->options.public_tls && !shared_->options.tls) || guest.secure;
      return HttpSession::begin(*this, {fd}, secure, std::move(guest));
    }
    case Entrance::Kind::kTls:
      return HelloSession::begin(*this, {fd}, std::move(guest));
    case Entrance::Kind::kTcp:
      return deal_out(entrance.port, fd, std::move(guest));
  }
}

void Shard::enter_as(Entrance entrance, int fd, Guest guest, const ProxyHeader& header) {
  if (header.from.size != 0) {
    guest.seat.reset();
    auto player = admit(fd, header.from, false);
    if (!player) return refuse(entrance, fd);
    guest = std::move(*player);
    guest.to = header.to;
  }
  guest.secure = header.secure;
  enter(entrance, fd, std::move(guest));
}

void Shard::note_no_header(const SocketAddress& from) {
  if (loop_->now() < quiet_about_headers_) return;
  quiet_about_headers_ = loop_->now() + kHeaderPause;
  log::warn("gateway", "a connection of gateway.proxy_protocol_from began without a PROXY header and was cut",
            {{"address", ip_of(from).to_string()}});
}

/// A port's listener lives on one loop; its connections are dealt out to all in turn.
void Shard::deal_out(std::uint16_t port, int fd, Guest guest) {
  auto& shards = shared_->shards;
  auto chosen = shards[next_shard_++ % shards.size()].lock();
  if (!chosen || chosen.get() == this) return open_tcp(port, fd, std::move(guest));
  auto socket = std::make_shared<TravellingSocket>(fd, std::move(guest));
  chosen->post([port, socket](Shard& shard) { shard.open_tcp(port, socket->release(), std::move(socket->guest)); });
}

void Shard::open_tcp(std::uint16_t port, int fd, Guest guest) {
  const auto* target = find_port(port);
  if (!target || draining_) return refuse({Entrance::Kind::kTcp, port}, fd);
  TcpSession::begin(*this, {fd}, *target, std::move(guest));
}

void Shard::lead_names(const std::string& instance) {
  const auto known = instances_.find(instance);
  for (auto it = names_of_.lower_bound({instance, {}}); it != names_of_.end() && it->first == instance; ++it) {
    auto& named = names_.find(it->second)->second;
    named.target.reset();
    if (known == instances_.end()) continue;
    const auto& routes = known->second->publication->routes;
    const auto route = std::ranges::find(routes, named.endpoint, &PublishedRoute::endpoint);
    if (route == routes.end() || owns_port(route->kind)) continue;
    named.target = target_of(known->second, static_cast<std::size_t>(route - routes.begin()));
  }
}

void Shard::name(std::string host, const InstanceId& instance, std::string endpoint) {
  const auto known = names_.find(host);
  if (known != names_.end() && known->second.instance == instance.str() && known->second.endpoint == endpoint) return;
  unname(host);
  names_of_.emplace(instance.str(), host);
  names_.emplace(std::move(host), Named{instance.str(), std::move(endpoint), {}});
  lead_names(instance.str());
}

void Shard::unname(const std::string& host) {
  const auto found = names_.find(host);
  if (found == names_.end()) return;
  const auto led_to = instances_.find(found->second.instance);
  names_of_.erase({found->second.instance, host});
  names_.erase(found);
  if (led_to == instances_.end()) return;
  auto& sessions = led_to->second->sessions;
  for (auto it = sessions.begin(); it != sessions.end();) {
    auto* session = dynamic_cast<HttpSession*>(&*it++);
    if (session != nullptr && session->was_opened_by(host)) session->cut();
  }
}

const std::string* Shard::own_answer(std::string_view target) const {
  if (!own_answers_) return nullptr;
  const auto found = own_answers_->find(target);
  return found == own_answers_->end() ? nullptr : &found->second;
}

const Target* Shard::find_name(std::string_view host) const {
  if (!names_.empty()) {
    // A name that leads nowhere just now is not looked for below the domain: it is somebody's.
    const auto named = names_.find(host);
    if (named != names_.end()) return named->second.target ? &*named->second.target : nullptr;
  }
  const std::string_view domain = options().domain;
  const bool below =
      host.size() > domain.size() + 1 && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.';
  if (!below) return nullptr;
  const auto found = hosts_.find(host.substr(0, host.size() - domain.size() - 1));
  return found == hosts_.end() ? nullptr : &found->second;
}

const Target* Shard::find_port(std::uint16_t port, Transport transport) const {
  auto found = ports_.find(OwnedPort{port, transport});
  return found == ports_.end() ? nullptr : &found->second;
}

void Shard::add(Session& session) {
  sessions_.push_back(session);
  totals_.connections.add();
}

void Shard::remove(Session& session) {
  loop_->forget(session);
  loop_->clear_deadline(session);
  intrusive::list_base_hook<intrusive::tag<AllHook>, AutoUnlink>& hook = session;
  hook.unlink();
  totals_.connections.sub();
  loop_->bury(std::unique_ptr<Mortal>(&session));
  check_empty();
}

void Shard::drain(std::function<void()> on_empty) {
  draining_ = true;
  on_empty_ = std::move(on_empty);
  if (http_listener_) http_listener_->close();
  if (tls_listener_) tls_listener_->close();
  for (auto& [port, listener] : tcp_listeners_) listener->close();
  for (auto& [number, port] : udp_ports_) port->drain();
  for (auto it = sessions_.begin(); it != sessions_.end();) (it++)->drain();
  check_empty();
}

void Shard::check_empty() {
  if (!draining_ || !sessions_.empty() || !on_empty_) return;
  auto tell = std::exchange(on_empty_, nullptr);
  tell();
}

void Shard::shut() {
  draining_ = true;
  if (http_listener_) http_listener_->close();
  if (tls_listener_) tls_listener_->close();
  for (auto& [port, listener] : tcp_listeners_) listener->close();
  for (auto& [number, port] : udp_ports_) port->close();
  while (!sessions_.empty()) sessions_.front().cut();
  for (auto& [id, instance] : instances_) {
    for (auto& endpoint : instance->endpoints) endpoint->retire();
  }
  loop_->stop();
}

}  // namespace tiltyard::gateway
