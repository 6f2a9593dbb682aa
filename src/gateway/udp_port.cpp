#include "gateway/udp_port.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "gateway/known.h"
#include "gateway/meter.h"
#include "gateway/sockets.h"
#include "net/descriptors.h"

namespace tiltyard::gateway {
namespace {

using namespace std::chrono_literals;

/// So much is read before others have their turn.
constexpr int kBatchesPerTurn = 4;
/// New clients of one port, in the long run and at once: making a flow costs ten times what a datagram does.
constexpr std::chrono::milliseconds kBetweenFlows{1}, kFlowBurst{1'000};
/// Room is made for all so often at most.
constexpr auto kShedFlowsPause = 100ms;
constexpr auto kUnansweredFor = 10s;
/// A machine that goes on sending keeps a client's flow no longer than this.
constexpr auto kUnheardFor = 10min;
/// For each flow while its instance is being woken.
constexpr std::size_t kMostHeld = 8, kMostHeldBytes = 16 * 1024;
/// What the way adds to each datagram (RFC 791, RFC 768), counted on both sides so that empty ones are not for nothing.
constexpr std::size_t kHeaders = 28;
constexpr std::int64_t kTimes = 3;
constexpr std::int64_t kAllowed = 16 * 1024, kAllowedPerSecond = 4 * 1024;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), over a secret: nobody can choose addresses that meet.
std::uint64_t scattered(std::uint64_t value) {
  static const std::uint64_t secret = [] {
    std::random_device random;
    return static_cast<std::uint64_t>(random()) << 32 | random();
  }();
  value += secret;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

bool Allowances::take(net::Holder address, std::size_t bytes, Instant now) {
  auto& bucket = buckets_[scattered(address) % buckets_.size()];
  if (bucket.address != address || bucket.filled == Instant{}) {
    bucket = {address, kAllowed, now};
  } else {
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::min<Clock::duration>(now - bucket.filled, 10s));
    const auto more = since.count() * kAllowedPerSecond / 1000;
    bucket.bytes = std::min(kAllowed, bucket.bytes + more);
    if (more > 0) bucket.filled = now;
  }
  if (bucket.bytes < static_cast<std::int64_t>(bytes)) return false;
  bucket.bytes -= static_cast<std::int64_t>(bytes);
  return true;
}

UdpFlow::UdpFlow(UdpPort& port, const SocketAddress& client, Visitor visitor, net::Shares::Hold seat)
    : port_(port), client_(client), visitor_(visitor), seat_(std::move(seat)), heard_(port.shard_.loop().now()) {}

bool UdpFlow::open() {
  const auto& machine = port_.target_.endpoint->address();
  machine_.fd = ::socket(machine.storage.sin6_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (machine_.fd < 0 || net::kept_back(machine_.fd, net::Door::kGateway)) return false;
  if (::connect(machine_.fd, machine.get(), machine.size) != 0) return false;
  return port_.shard_.loop().watch_input(machine_, *this);
}

void UdpFlow::close() {
  let_go();
  seat_.reset();
  machine_.close();
  port_.shard_.loop().forget(*this);
  port_.shard_.loop().clear_deadline(*this);
}

bool UdpFlow::long_unheard() const {
  return port_.shard_.loop().now() - heard_ >= port_.shard_.options().udp_idle_timeout;
}

void UdpFlow::hear(std::size_t bytes) {
  if (long_unheard()) rounds_ = 0;
  heard_ = port_.shard_.loop().now();
  credit_ += kTimes * static_cast<std::int64_t>(bytes + kHeaders);
  if (answered_ && !proven()) ++rounds_;
  answered_ = false;
}

void UdpFlow::forward(UdpBatch& batch, std::size_t first, std::size_t count) {
  std::uint64_t bytes = 0;
  for (auto i = first; i < first + count; ++i) {
    bytes += batch.bytes(i).size();
    hear(batch.bytes(i).size());
  }
  port_.renew(*this);
  if (port_.over_limit()) return port_.drop(DropReason::kOverLimit, count);
  port_.count(bytes, 0);
  if (port_.asleep() || !held_.empty()) {
    for (auto i = first; i < first + count; ++i) hold(batch.bytes(i));
    return;
  }
  for (auto i = first; i < first + count; ++i) batch.add(i);
  const auto taken = batch.send(machine_.fd, nullptr);
  if (taken < count) port_.drop(DropReason::kNotTaken, count - taken);
  touch();
}

void UdpFlow::hold(std::span<const char> bytes) {
  auto& held = port_.traffic().held;
  auto& shard = port_.shard_;
  if (held_.empty()) {
    if (held.fetch_add(1, std::memory_order_relaxed) >= shard.options().max_held_per_instance) {
      held.fetch_sub(1, std::memory_order_relaxed);
      return port_.drop(DropReason::kAsleep);
    }
    shard.loop().set_deadline(*this, shard.loop().now() + shard.options().wake_timeout);
    shard.ask_to_wake(*port_.target_.instance);
  }
  std::size_t size = bytes.size();
  for (const auto& one : held_) size += one.size();
  // The first one is always kept: it is what the machine is woken for.
  if (!held_.empty() && (held_.size() >= kMostHeld || size > kMostHeldBytes)) return port_.drop(DropReason::kAsleep);
  held_.emplace_back(bytes.data(), bytes.size());
}

void UdpFlow::let_go() {
  if (held_.empty()) return;
  held_.clear();
  held_.shrink_to_fit();
  port_.traffic().held.fetch_sub(1, std::memory_order_relaxed);
}

void UdpFlow::woke(bool good) {
  if (held_.empty()) return;
  for (const auto& one : held_) {
    if (!good) port_.drop(DropReason::kAsleep);
    else if (!send_datagram(machine_.fd, one)) port_.drop(DropReason::kNotTaken);
  }
  let_go();
  if (good) touch();
  else port_.shard_.loop().set_deadline(*this, port_.shard_.loop().now());
}

/// Within what the client has paid for, or what its address may have for nothing.
bool UdpFlow::may_answer(std::size_t bytes) {
  if (proven()) return true;
  const auto cost = static_cast<std::int64_t>(bytes + kHeaders);
  if (credit_ < cost) {
    const auto lacking = static_cast<std::size_t>(cost - std::max<std::int64_t>(credit_, 0));
    if (!address() || !port_.room_.allowances.take(*address(), lacking, port_.shard_.loop().now())) return false;
    credit_ += static_cast<std::int64_t>(lacking);
  }
  credit_ -= cost;
  return true;
}

void UdpFlow::pass_answers() {
  if (!machine_.open()) return;
  auto& batch = port_.room_.batch;
  for (int round = 0; round < kBatchesPerTurn; ++round) {
    const auto got = batch.receive(machine_.fd);
    if (got == 0) {
      if (const int failed = connect_error(machine_); failed == 0) return;
      port_.shard_.totals().upstream_errors.add();
      continue;
    }
    std::size_t chosen = 0, bytes = 0;
    if (port_.over_limit()) {
      port_.drop(DropReason::kOverLimit, got);
      if (got < UdpBatch::kMost) return;
      continue;
    }
    for (std::size_t i = 0; i < got; ++i) {
      const auto size = batch.bytes(i).size();
      if (!may_answer(size)) continue;
      batch.add(i);
      ++chosen;
      bytes += size;
    }
    if (chosen < got) port_.drop(DropReason::kUnproven, got - chosen);
    if (chosen > 0) {
      const auto taken = batch.send(port_.stream_.fd, &client_);
      if (taken < chosen) port_.drop(DropReason::kNotTaken, chosen - taken);
      answered_ = has_answer_ = true;
      port_.count(0, bytes);
      port_.renew(*this);
      touch();
    }
    if (got < UdpBatch::kMost) return;
  }
  port_.shard_.loop().again(*this);
}

void UdpFlow::touch() {
  if (!held_.empty()) return;
  const auto& options = port_.shard_.options();
  const auto idle = has_answer_ ? Clock::duration(options.udp_idle_timeout)
                                : std::min<Clock::duration>(kUnansweredFor, options.udp_idle_timeout);
  port_.shard_.loop().set_deadline(*this, std::min(port_.shard_.loop().now() + idle, heard_ + kUnheardFor));
}

void UdpFlow::on_deadline() {
  if (!held_.empty()) port_.drop(DropReason::kAsleep, held_.size());
  port_.remove(*this);
}

std::size_t UdpPort::Hash::operator()(const SocketAddress& address) const {
  std::array<std::uint64_t, 4> words{};
  static_assert(sizeof words >= sizeof address.storage);
  std::memcpy(words.data(), &address.storage, sizeof address.storage);
  // Family, port and, of IPv4, the address are in the first; the address of IPv6 and its scope in the others.
  auto value = scattered(words[0]);
  if (address.storage.sin6_family == AF_INET6) {
    for (std::size_t i = 1; i < words.size(); ++i) value = scattered(value ^ words[i]);
  }
  return value;
}

UdpPort::UdpPort(Shard& shard, UdpRoom& room, int fd, Target target)
    : shard_(shard), room_(room), target_(std::move(target)) {
  stream_.fd = fd;
  room_.ports.push_back(*this);
}

UdpPort::~UdpPort() = default;

bool UdpPort::start() { return shard_.loop().watch_accept(stream_, *this); }

void UdpPort::move_to(const Target& target) {
  if (target.endpoint != target_.endpoint) close_flows();
  target_ = target;
}

void UdpPort::close() {
  close_flows();
  stream_.close();
}

void UdpPort::close_flows() {
  while (!flows_.empty()) remove(*flows_.begin()->second);
}

void UdpPort::woke(bool good) {
  for (auto& [client, flow] : flows_) flow->woke(good);
}

void UdpPort::on_ready(Stream&) {
  auto& batch = room_.batch;
  for (int round = 0; round < kBatchesPerTurn && stream_.open(); ++round) {
    const auto got = batch.receive(stream_.fd);
    for (std::size_t first = 0, next = 0; first < got; first = next) {
      const auto& client = batch.from(first);
      for (next = first + 1; next < got && batch.from(next) == client;) ++next;
      if (auto* flow = flow_of(client)) flow->forward(batch, first, next - first);
    }
    if (got < UdpBatch::kMost) return;
  }
}

UdpFlow* UdpPort::flow_of(const SocketAddress& client) {
  const auto found = flows_.find(client);
  return found != flows_.end() ? found->second.get() : open_flow(client);
}

/// The generic cell rate algorithm (ITU-T I.371).
bool UdpPort::turn_has_come() {
  const auto now = shard_.loop().now();
  const auto last = std::max(next_flow_, now);
  if (last - kFlowBurst > now) return false;
  next_flow_ = last + kBetweenFlows;
  return true;
}

UdpFlow* UdpPort::open_flow(const SocketAddress& client) {
  // Nobody answers to port 0.
  if (draining_ || client.port() == 0) return nullptr;
  auto visitor = let_in(client);
  if (!visitor) {
    drop(DropReason::kNotTheirs);
    return nullptr;
  }
  if (!turn_has_come()) {
    drop(DropReason::kTooManyNew);
    return nullptr;
  }
  if (!enter_meters()) {
    drop(DropReason::kTooManyNew);
    return nullptr;
  }
  auto seat = seat_for(visitor->address);
  auto flow = seat ? std::make_unique<UdpFlow>(*this, client, *visitor, std::move(seat)) : nullptr;
  if (!flow || !flow->open()) {
    leave_meters();
    drop(DropReason::kFull);
    return nullptr;
  }
  auto& made = *flow;
  flows_.emplace(client, std::move(flow));
  unproven_.push_back(made);
  auto& mine = traffic().per_loop[shard_.index()];
  traffic().flows.fetch_add(1, std::memory_order_relaxed);
  mine.connections.add();
  mine.open.add();
  shard_.totals().udp_flows.add();
  shard_.note_contact(target_, client, made.pass());
  return &made;
}

/// A datagram cannot be asked for a token: where the door is its owner's, the address that its owner has lets it in.
std::optional<UdpFlow::Visitor> UdpPort::let_in(const SocketAddress& client) const {
  const auto ip = ip_of(client);
  const auto& is_proxy = shard_.options().is_proxy;
  UdpFlow::Visitor visitor;
  if (!is_proxy || !is_proxy(ip)) visitor.address = net::holder_of(ip);
  if (target_.door == Door::kOpen) return visitor;
  if (target_.door != Door::kPrompt && visitor.address)
    visitor.pass = known_at(shard_.doors(), *target_.instance->publication, *visitor.address);
  return visitor.pass ? std::optional(visitor) : std::nullopt;
}

void UdpPort::revoke(const DoorBook& doors) {
  std::vector<UdpFlow*> gone;
  for (auto& [client, flow] : flows_) {
    if (flow->pass() && doors.is_revoked(*flow->pass())) gone.push_back(flow.get());
  }
  for (auto* flow : gone) remove(*flow);
}

net::Shares::Hold UdpPort::seat_for(const std::optional<net::Holder>& address) {
  auto& flows = shard_.shared().flows;
  const auto most = shard_.options().max_udp_flows_per_instance;
  if (traffic().flows.load(std::memory_order_relaxed) >= most && !make_room(std::nullopt)) return {};
  const auto take = [&] { return address ? flows.take(*address) : flows.take_for_many(); };
  if (auto seat = take()) return seat;
  if (flows.full() ? make_room_for_all() : make_room(address)) return take();
  return {};
}

/// Of those of whom nobody knows whether anybody is there; of the others only one that is quiet. `address`: only one of
/// its own. Null: there is none.
UdpFlow* UdpPort::longest_silent(const std::optional<net::Holder>& address) {
  const auto quiet = shard_.loop().now() - shard_.options().quiet;
  for (auto* order : {&unproven_, &proven_}) {
    for (auto& flow : *order) {
      if (order == &proven_ && flow.heard() > quiet) break;
      if (address && flow.address() != address) continue;
      return &flow;
    }
  }
  return nullptr;
}

bool UdpPort::make_room(const std::optional<net::Holder>& address) {
  auto* flow = longest_silent(address);
  if (!flow) return false;
  shard_.totals().udp_pushed_out.add();
  remove(*flow);
  return true;
}

/// The port of this loop that has most gives up a sixteenth of them.
bool UdpPort::make_room_for_all() {
  const auto now = shard_.loop().now();
  if (now < room_.shed_after) return false;
  room_.shed_after = now + kShedFlowsPause;
  auto most = std::ranges::max_element(room_.ports, {}, [](const UdpPort& port) { return port.flows_.size(); });
  const auto before = most->flows_.size();
  for (auto left = before / 16 + 1; left > 0 && most->make_room(std::nullopt); --left) {}
  return most->flows_.size() < before;
}

void UdpPort::remove(UdpFlow& flow) {
  const auto found = flows_.find(flow.client());
  if (found == flows_.end() || found->second.get() != &flow) return;
  flow.close();
  static_cast<PortHook&>(flow).unlink();
  shard_.loop().bury(std::move(found->second));
  flows_.erase(found);
  traffic().flows.fetch_sub(1, std::memory_order_relaxed);
  traffic().per_loop[shard_.index()].open.sub();
  leave_meters();
  shard_.totals().udp_flows.sub();
}

void UdpPort::renew(UdpFlow& flow) {
  static_cast<PortHook&>(flow).unlink();
  (flow.proven() ? proven_ : unproven_).push_back(flow);
}

bool UdpPort::enter_meters() {
  const auto now = shard_.loop().now();
  const auto& own = target_.endpoint->meter();
  const auto& of_all = target_.instance->publication->meter;
  if (own && !own->enter(now)) return false;
  if (!of_all || of_all->enter(now)) return true;
  if (own) own->leave();
  return false;
}

void UdpPort::leave_meters() {
  if (const auto& meter = target_.endpoint->meter()) meter->leave();
  if (const auto& meter = target_.instance->publication->meter) meter->leave();
}

bool UdpPort::over_limit() const {
  const auto now = shard_.loop().now();
  const auto& own = target_.endpoint->meter();
  const auto& of_all = target_.instance->publication->meter;
  return (own && own->free_at() > now) || (of_all && of_all->free_at() > now);
}

void UdpPort::count(std::uint64_t in, std::uint64_t out) {
  auto& mine = traffic().per_loop[shard_.index()];
  mine.bytes_in.add(in);
  mine.bytes_out.add(out);
  if (const auto& meter = target_.endpoint->meter()) meter->spend(in + out, shard_.loop().now());
  if (const auto& meter = target_.instance->publication->meter) meter->spend(in + out, shard_.loop().now());
  mine.last_activity.set(static_cast<std::uint64_t>(shard_.loop().now().time_since_epoch().count()));
  shard_.totals().bytes_in.add(in);
  shard_.totals().bytes_out.add(out);
}

void UdpPort::drop(DropReason why, std::uint64_t datagrams) {
  shard_.totals().udp_dropped[static_cast<std::size_t>(why)].add(datagrams);
}

}  // namespace tiltyard::gateway
