#include "gateway/hello_session.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>

#include "gateway/http_session.h"
#include "gateway/pages.h"
#include "gateway/sockets.h"
#include "gateway/tcp_session.h"

namespace tiltyard::gateway {

namespace {

// So much, and then the others of the loop: one that sends faster than it is read must not have it for itself.
constexpr int kStepsAtOnce = 16;
// As long as a client gets to see why it was refused.
constexpr auto kSeeWhy = std::chrono::seconds(2);
constexpr std::string_view kTooLong("\x15\x03\x03\x00\x02\x02\x2f", 7);  ///< a fatal alert, illegal_parameter

/// For who speaks HTTP without TLS.
std::string plain_page(std::string_view request) {
  const auto form = request.contains("text/html") ? Form::kHtml : Form::kText;
  return render_page({Page::kRefused, 400, {}, "This port speaks TLS: the address begins with https://."}, form, false,
                     request.starts_with("HEAD "));
}

}  // namespace

void HelloSession::begin(Shard& shard, Arrival arrival, Guest guest, std::uint16_t port) {
  auto* session = new HelloSession(shard, std::move(guest));  // owned by the shard's list until `remove` buries it
  shard.add(*session);
  session->client_.take(arrival);
  session->hello_ = std::move(arrival.first);
  session->port_ = port;
  if (!session->begin_at_once()) return;
  if (!shard.loop().watch(session->client_, *session)) return session->end();
  shard.loop().set_deadline(*session, shard.loop().now() + shard.options().head_timeout);
  session->advance();
}

/// A client says hello as soon as it is connected: most are here by now, and many of them go on without ever having
/// been watched. False: it has gone on, or is over.
bool HelloSession::begin_at_once() {
  client_.readable = true;
  for (int i = 0; i < kStepsAtOnce && state_ == State::kHello; ++i) {
    if (!read_hello()) break;
  }
  return state_ != State::kClosed;
}

void HelloSession::on_ready(Stream&) { advance(); }
void HelloSession::on_turn() { advance(); }

void HelloSession::advance() {
  for (int i = 0; i < kStepsAtOnce; ++i) {
    if (!step()) return;
  }
  shard_.loop().again(*this);
}

/// Whether there may be more to do.
bool HelloSession::step() {
  switch (state_) {
    case State::kHello:
      return read_hello();
    case State::kShake:
      return shake();
    case State::kLinger:
      return linger();
    case State::kClosed:
      return false;
  }
  return false;
}

bool HelloSession::read_hello() {
  auto found = scan_.look(hello_);
  if (found == tls::HelloScan::State::kMore) {
    if (!client_.readable) return false;
    std::array<char, 4096> bytes;
    const auto got = client_.read(bytes.data(), std::min(bytes.size(), tls::kMostHelloBytes - hello_.size()));
    if (got.state == Io::kOk) hello_.append(bytes.data(), got.size);
    else if (got.state != Io::kBlocked) end();
    return got.state == Io::kOk;
  }
  switch (found) {
    case tls::HelloScan::State::kWhole:
      return take_hello();
    case tls::HelloScan::State::kHttp:
      refuse(plain_page(hello_));
      return true;
    case tls::HelloScan::State::kTooLong:
      refuse(kTooLong);
      return true;
    default:
      cut();
      return false;
  }
}

/// What is handed on needs nothing of the library: to know its name is enough.
bool HelloSession::take_hello() {
  if (const auto hello = tls::parse_hello(hello_); hello && !hello->asks_for_challenge()) {
    find_way(hello->name);
    if (way_ == Way::kPage || way_ == Way::kThrough) {
      go_elsewhere();
      return false;
    }
  }
  tls::Doorman* doorman = this;
  auto layer = std::make_unique<TlsLayer>(*shard_.options().tls, client_.fd, std::move(hello_), doorman);
  layer_ = layer.get();
  client_.put_on(std::move(layer));
  state_ = State::kShake;
  return true;
}

/// What a name is for. A name that nothing is for is answered with the page that says so, where there is a certificate
/// to say it under.
void HelloSession::find_way(const std::string& name) {
  const auto& options = shard_.options();
  way_ = Way::kHttp;
  name_ = name;
  token_.clear();
  const auto first = name_.substr(0, name_.find('.'));
  if (port_ != 0) {
    way_ = Way::kRaw;
    if (first.size() == kPassText) token_ = first;
    return;
  }
  if (std::ranges::find(options.page_hosts, name_) != options.page_hosts.end()) {
    way_ = Way::kPage;
    return;
  }
  const auto* found = shard_.find_name(name_);
  if (!found && first.size() == kPassText && first.size() < name_.size()) {
    found = shard_.find_name(std::string_view(name_).substr(first.size() + 1));
    if (found && found->kind == EndpointKind::kTls) {
      token_ = first;
      name_.erase(0, first.size() + 1);
    }
  }
  if (!found || found->kind != EndpointKind::kTls) return;
  way_ = found->handover.tls == TlsEnd::kGateway ? Way::kRaw : Way::kThrough;
}

tls::Verdict HelloSession::on_hello(const tls::Hello& hello) {
  find_way(hello.name);
  if (way_ == Way::kHttp) return tls::Verdict::kHttp;
  return way_ == Way::kRaw ? tls::Verdict::kRaw : tls::Verdict::kElsewhere;
}

bool HelloSession::shake() {
  if (client_.broken) {
    end();
    return false;
  }
  switch (layer_->shake(client_)) {
    case TlsLayer::Shake::kMore:
      return false;
    case TlsLayer::Shake::kDone:
      shard_.totals().handshakes[layer_->was_resumed() ? 1 : 0].add();
      go_on();
      return false;
    case TlsLayer::Shake::kElsewhere:
      go_elsewhere();
      return false;
    case TlsLayer::Shake::kFailed:
      shard_.totals().handshakes[2].add();
      begin_linger();
      return true;
  }
  return false;
}

/// The handshake is done.
void HelloSession::go_on() {
  if (layer_->was_challenge()) {
    client_.shutdown_write();
    return end();
  }
  layer_->dismiss_doorman();
  if (way_ == Way::kRaw) layer_->take_bare_ends();
  auto& shard = shard_;
  auto arrival = give_away({});
  auto guest = hand_over();
  const bool raw = way_ == Way::kRaw;
  const auto port = port_;
  end();
  if (raw) begin_raw(shard, std::move(arrival), std::move(guest), port);
  else HttpSession::begin(shard, std::move(arrival), true, std::move(guest));
}

/// The client has decided how long the handshake took: what its name is for is looked up now, since the instance may
/// have gone meanwhile, and its machine's address may be another's.
void HelloSession::begin_raw(Shard& shard, Arrival arrival, Guest guest, std::uint16_t port) {
  const auto* target = port != 0 ? shard.find_port(port) : shard.find_name(arrival.name);
  const auto ended = arrival.layer ? TlsEnd::kGateway : TlsEnd::kMachine;
  const bool fits = target && (port != 0 || (target->kind == EndpointKind::kTls && target->handover.tls == ended));
  if (fits) return TcpSession::begin(shard, std::move(arrival), *target, std::move(guest));
  Stream gone;
  gone.fd = arrival.fd;
  gone.put_on(std::move(arrival.layer));
  gone.reset();
}

/// Nothing has been answered: whoever has it goes on from the hello.
void HelloSession::go_elsewhere() {
  auto& shard = shard_;
  auto first = layer_ ? layer_->give_back() : std::move(hello_);
  client_.put_on(nullptr);
  auto arrival = give_away(std::move(first));
  auto guest = hand_over();
  const auto way = way_;
  const auto from = ip_of(guest.from);
  end();
  if (way == Way::kThrough) begin_raw(shard, std::move(arrival), std::move(guest), 0);
  else shard.options().to_page(shard.index(), arrival.fd, from, std::move(arrival.first));
}

Arrival HelloSession::give_away(std::string first) {
  // The page has a loop of its own.
  if (way_ == Way::kPage) shard_.loop().unwatch(client_);
  auto arrival = client_.hand_over(std::move(first));
  arrival.name = std::move(name_);
  arrival.token = std::move(token_);
  return arrival;
}

void HelloSession::refuse(std::string_view bytes) {
  shard_.totals().handshakes[2].add();
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  // It is the first that is sent, and short: the kernel has room for it, or the client has gone.
  (void)client_.write({&piece, 1});
  begin_linger();
}

/// Closing over unread bytes makes the kernel reset the connection, and the client may lose what it was told.
void HelloSession::begin_linger() {
  client_.put_on(nullptr);
  client_.shutdown_write();
  client_.readable = true;
  state_ = State::kLinger;
  shard_.loop().set_deadline(*this, shard_.loop().now() + kSeeWhy);
}

bool HelloSession::linger() {
  std::array<char, 4096> bytes;
  if (!client_.readable) return false;
  const auto got = client_.read(bytes.data(), bytes.size());
  if (got.state == Io::kEnd || got.state == Io::kBroken) end();
  return got.state == Io::kOk;
}

void HelloSession::on_deadline() {
  if (state_ == State::kLinger) return end();
  shard_.totals().handshakes[2].add();
  cut();
}

void HelloSession::cut() {
  if (state_ == State::kClosed) return;
  client_.reset();
  end();
}

void HelloSession::end() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  client_.close();
  shard_.remove(*this);
}

}  // namespace tiltyard::gateway
