#include "gateway/tcp_session.h"

#include <sys/uio.h>

#include "gateway/proxy_header.h"

namespace tiltyard::gateway {

void TcpSession::begin(Shard& shard, Arrival arrival, const Target& target, Guest guest) {
  auto* session = new TcpSession(shard, std::move(guest));  // owned by the shard's list until `remove` buries it
  shard.add(*session);
  session->client_.take(arrival);
  session->first_ = std::move(arrival.first);
  session->name_ = std::move(arrival.name);
  if (!shard.loop().watch(session->client_, *session)) return session->cut();
  if (arrival.layer) {
    session->client_.put_on(std::move(arrival.layer));
    // Of what the layer has read already the kernel will not tell again.
    session->client_.readable = session->client_.writable = true;
  }
  if (session->pass_door(target, arrival.token)) session->enter(target);
}

void TcpSession::enter(const Target& target) {
  if (!attach(target.instance) || !enter_meters(target)) return cut();
  endpoint_ = target.endpoint;
  note_contact(target);
  if (target.handover.proxy_protocol != 0) tell_machine(target.handover.proxy_protocol);
  if (!asleep()) connect();
  else if (!hold()) cut();
}

void TcpSession::tell_machine(int version) {
  const auto& instance = instance_->publication->instance.str();
  first_.insert(0, proxy_header(version, {from(), to(client_.fd), instance, name_, client_.layered()}));
  name_ = {};
}

void TcpSession::connect() {
  const auto now = shard_.loop().now();
  const auto turn = may_connect_ ? std::optional(now) : endpoint_->turn_to_connect(now);
  if (!turn) return cut();
  if (*turn > now) {
    may_connect_ = true;
    shard_.loop().set_deadline(*this, *turn);
    return;
  }
  machine_ = endpoint_->connect(*this, !first_.empty());
  if (!machine_) {
    shard_.totals().upstream_errors.add();
    cut();
    return;
  }
  shard_.loop().set_deadline(*this, shard_.loop().now() + shard_.options().connect_timeout);
  if (!first_.empty()) send_first();
}

/// A machine on this host is connected by now: the kernel takes its bytes without another turn of the loop.
void TcpSession::send_first() {
  auto& stream = machine_->stream;
  stream.writable = true;
  const iovec piece{first_.data(), first_.size()};
  const auto sent = stream.write({&piece, 1});
  if (sent.state == Io::kBlocked) return;
  if (sent.state == Io::kBroken) {
    shard_.totals().upstream_errors.add();
    return cut();
  }
  count(sent.size, 0);
  first_.erase(0, sent.size);
  begin_relay();
}

void TcpSession::begin_relay() {
  relay_.emplace(shard_.pipes(), client_, machine_->stream);
  relay_->in().begin_with(std::exchange(first_, {}));
  touch();
}

void TcpSession::on_ready(Stream&) {
  if (closed_) return;
  if (held() && client_.broken) return cut();
  advance();
}

void TcpSession::woke(bool good) {
  if (!held()) return;
  let_go();
  if (!good) return cut();
  if (!machine_) return connect();
  touch();
  advance();
}

/// Bytes for a machine that sleeps stay where they are until it is awake. An end goes on without it: the kernel takes
/// it.
bool TcpSession::must_wait() {
  if (!asleep() || !(relay_->in().has_first() || client_.has_bytes())) return false;
  if (!hold()) cut();
  return true;
}

void TcpSession::advance() {
  if (closed_ || held()) return;
  if (prompt_) return read_token();
  if (!machine_) {  // its turn has not come
    if (client_.broken) cut();
    return;
  }
  if (!relay_) {
    auto& stream = machine_->stream;
    if (!stream.writable && !stream.broken) return;
    if (stream.broken && connect_error(stream) != 0) {
      shard_.totals().upstream_errors.add();
      cut();
      return;
    }
    stream.broken = false;
    begin_relay();
  }
  if (pausing()) {
    if (client_.broken) cut();
    return;
  }
  if (must_wait()) return;
  bool progress = false, more = false;
  auto state = relay_->run(progress, more);
  auto in = relay_->in().moved(), out = relay_->out().moved();
  const int before = std::exchange(stuck_, relay_->stuck());
  if (progress || stuck_ != before) touch();
  if (progress) {
    // They came between the look and the relay.
    if (asleep() && in > counted_in_) shard_.ask_to_wake(*instance_);
    count(in - counted_in_, out - counted_out_);
    counted_in_ = in;
    counted_out_ = out;
  }
  if (state == Relay::State::kBroken) return cut();
  if (state == Relay::State::kFinished) return end();
  if (more) shard_.loop().again(*this);
}

void TcpSession::touch() {
  const auto& options = shard_.options();
  auto idle = options.tcp_idle_timeout;
  if (stuck_ == 1) idle = std::min(idle, options.half_stuck_timeout);
  if (stuck_ == 2) idle = std::min(idle, options.stuck_timeout);
  shard_.loop().set_deadline(*this, shard_.loop().now() + idle);
}

void TcpSession::on_deadline() {
  if (prompt_ && !prompt_->asked) {
    ask();
    return advance();
  }
  const bool turn_has_come = may_connect_ && !machine_ && !held();
  if (!turn_has_come) return cut();
  if (!asleep()) return connect();
  if (!hold()) cut();
}

void TcpSession::cut() {
  if (closed_) return;
  client_.reset();
  if (machine_) machine_->stream.reset();
  end();
}

void TcpSession::end() {
  closed_ = true;
  client_.close();
  if (machine_) machine_->stream.close();
  detach();
  shard_.remove(*this);
}

}  // namespace tiltyard::gateway
