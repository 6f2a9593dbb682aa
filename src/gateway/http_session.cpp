// The life of a client's connection: heads, routing, pages, the end. What passes in an exchange: http_exchange.cpp.
#include "gateway/http_session.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "gateway/rewrite.h"
#include "net/networks.h"
#include "tls/context.h"

namespace tiltyard::gateway {

namespace {

// How long a connection is read on after its last answer, so that the client gets to see that answer (RFC 9112, 9.6).
constexpr auto kLinger = std::chrono::seconds(2);
// A client that has closed its direction may only have sent all it had (`nc -N`), or may have gone: so long it gets.
constexpr auto kHalfClosedGrace = std::chrono::seconds(5);
// Steps before other connections get their turn.
constexpr int kStepsPerTurn = 48;

std::string address_text(const SocketAddress& peer) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (peer.storage.sin6_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer.storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    std::string_view mapped(text.data());
    if (mapped.starts_with("::ffff:") && mapped.find('.') != mapped.npos) return std::string(mapped.substr(7));
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer.storage);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  }
  return text.data();
}

bool idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

/// Whose share at an instance a request takes that a trusted proxy hands on.
std::optional<net::Holder> spoken_for(const Way& way) {
  if (!way.trusted || way.client == way.peer) return std::nullopt;
  const auto address = net::parse_address(way.client);
  return address ? std::optional(net::holder_of(*address)) : std::nullopt;
}

}  // namespace

void HttpSession::begin(Shard& shard, Arrival arrival, bool secure, Guest guest) {
  auto* session =
      new HttpSession(shard, secure, std::move(guest));  // owned by the shard's list until `remove` buries it
  shard.add(*session);
  session->client_.take(arrival);
  session->client_address_ = address_text(session->from());
  if (!shard.loop().watch(session->client_, *session)) return session->end();
  shard.loop().set_deadline(*session, shard.loop().now() + shard.options().head_timeout);
  if (!arrival.layer) return;
  session->client_.put_on(std::move(arrival.layer));
  // Of what the layer has read already the kernel will not tell again.
  session->client_.readable = session->client_.writable = true;
  session->advance();
}

void HttpSession::refuse(int fd) {
  static const std::string answer = render_page({Page::kTooMany, 503, {}, {}}, Form::kHtml, false, false);
  (void)::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::close(fd);
}

void HttpSession::on_ready(Stream&) { advance(); }
void HttpSession::on_turn() { advance(); }

void HttpSession::advance() {
  for (int i = 0; i < kStepsPerTurn; ++i) {
    if (state_ == State::kClosed || !step()) return;
  }
  if (state_ != State::kClosed) shard_.loop().again(*this);
}

bool HttpSession::step() {
  if (held()) {
    if (client_.broken) end();
    return false;
  }
  if ((state_ == State::kExchange || state_ == State::kTunnel) && pausing()) {
    if (client_.broken) cut();
    return false;
  }
  switch (state_) {
    case State::kHead:
      return read_head();
    case State::kConnect:
      return finish_connect();
    case State::kExchange:
      return exchange();
    case State::kTunnel:
      return tunnel();
    case State::kPage:
      return write_page();
    case State::kLinger:
      return linger();
    case State::kClosed:
      return false;
  }
  return false;
}

bool HttpSession::read_head() {
  auto bytes = in_.raw();
  auto limit = shard_.options().head_limit;
  auto found = bytes.empty() ? HeadEnd::State::kMore : in_scan_.find(bytes);
  if (found == HeadEnd::State::kBareLineFeed) {
    refuse_request(kBareLineFeed);
    return true;
  }
  bool too_long = found == HeadEnd::State::kFound ? in_scan_.end() > limit : bytes.size() >= limit;
  if (too_long) {
    refuse_request({431, "The head of the request is too long."});
    return true;
  }
  if (found == HeadEnd::State::kMore) return read_more_head();
  begin_exchange(bytes.substr(in_scan_.start(), in_scan_.end() - in_scan_.start()));
  return true;
}

bool HttpSession::read_more_head() {
  if (!client_.readable) return false;
  bool first = in_.raw().empty();
  auto [to, size] = in_.room();
  auto got = client_.read(to, size);
  if (got.state == Io::kOk) {
    in_.received(got.size);
    if (first) shard_.loop().set_deadline(*this, shard_.loop().now() + shard_.options().head_timeout);
    return true;
  }
  if (got.state == Io::kBlocked) {
    if (first) in_.clear();
    return false;
  }
  end();
  return false;
}

void HttpSession::begin_exchange(std::string_view bytes) {
  static thread_local RequestHead head;
  auto refusal = parse_request(bytes, head);
  if (refusal) return refuse_request(*refusal);
  exchange_ = {};
  exchange_.head_only = head.method == "HEAD";
  exchange_.http10 = head.minor == 0;
  exchange_.keep_alive = head.persistent() && !shard_.draining();
  exchange_.websocket = head.websocket;
  bool bodiless = head.framing.kind == Framing::Kind::kNone ||
                  (head.framing.kind == Framing::Kind::kLength && head.framing.length == 0);
  exchange_.retryable = bodiless && idempotent(head.method);
  exchange_.form = wanted_form(head.accept);
  in_body_.begin(head.framing);
  up_head_.clear();
  up_sent_ = 0;
  route(head);
  // The views of `head` end here.
  in_.skip(in_scan_.end());
  in_scan_.reset();
  if (state_ == State::kExchange) use_machine();
}

/// The instance sleeps: what there is of the request waits here until it is awake.
void HttpSession::wait_for_machine() {
  if (!hold()) answer_page(Page::kTooMany, 503);
}

void HttpSession::fell_asleep() {
  if (state_ == State::kExchange || state_ == State::kTunnel) advance();
}

void HttpSession::woke(bool good) {
  if (!held()) return;
  let_go();
  if (!good) return give_up_waiting();
  if (state_ == State::kExchange && !machine_) use_machine();
  else touch();
  advance();
}

void HttpSession::give_up_waiting() {
  let_go();
  if (state_ == State::kTunnel) return cut();
  answer_page(Page::kAsleep, 503);
  advance();
}

/// Whether the instance sleeps and this connection needs it: for an answer, or for more that the client has to say.
bool HttpSession::must_wait() {
  if (!asleep()) return false;
  bool needed = state_ == State::kTunnel ? client_.has_bytes() : !exchange_.head_done || !request_sent();
  if (!needed) return false;
  if (hold()) return true;
  if (state_ == State::kTunnel) cut();
  else answer_page(Page::kTooMany, 503);
  return true;
}

std::string_view plain_name(std::string_view name, std::array<char, 256>& room) {
  const auto size = std::min(name.size(), room.size());
  std::transform(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(size), room.begin(),
                 [](char c) { return lower(c); });
  std::string_view plain(room.data(), size);
  if (plain.ends_with('.')) plain.remove_suffix(1);
  return plain;
}

/// What has a name and speaks something else has no pages.
const Target* HttpSession::find(std::string_view name) const {
  const auto* target = shard_.find_name(name);
  return target && speaks_http(target->kind) ? target : nullptr;
}

/// A proxy that calls its upstream by another name says what the player has asked for beside that.
const Target* HttpSession::find_as_forwarded(RequestHead& head) const {
  const auto host = forwarded_host(head);
  const auto name = name_of(host);
  std::array<char, 256> room;
  const auto* target = name ? find(plain_name(*name, room)) : nullptr;
  if (!target) return nullptr;
  head.host = host;
  head.host_name = *name;
  return target;
}

void HttpSession::route(RequestHead& head) {
  if (answer_itself(head)) return;
  std::array<char, 256> room;
  const auto name = plain_name(head.host_name, room);
  Way way{client_address_, client_address_, secure_, by_proxy()};
  if (way.trusted) believe(head, shard_.options().is_proxy, way);
  if (redirects(head, name, way.secure)) return;
  const auto* target = find(name);
  if (!target && by_proxy()) target = find_as_forwarded(head);
  if (!target && name == shard_.options().domain) return answer_page(Page::kWelcome, 200);
  if (!target) return answer_page(Page::kUnknownHost, 404, head.host);
  way.claims = target->handover.client_claims;
  if (stays_outside(head, *target, way.secure)) return;
  endpoint_ = target->endpoint;
  if (exchange_.websocket) opened_by_ = std::make_unique<std::string>(plain_name(head.host_name, room));
  if (!attach(target->instance, spoken_for(way)) || !enter_meters(*target)) {
    endpoint_.reset();
    return answer_page(Page::kTooMany, 503, head.host);
  }
  note_contact(*target);
  way.called = instance_->called(*endpoint_);
  write_request_head(head, way, up_head_);
  state_ = State::kExchange;
  await_answer(true);
}

/// Whoever comes without TLS, and could have it, is sent where it is. False: they stay.
bool HttpSession::redirects(const RequestHead& head, std::string_view name, bool secure) {
  const auto& options = shard_.options();
  if (secure || !options.tls || !options.redirect_to_https || !options.tls->certificates().covers(name)) return false;
  if (!begin_own_answer(308)) return true;
  const auto port = options.public_port != 0 ? options.public_port : shard_.shared().tls_port;
  const auto path = head.target.starts_with('/') ? head.target : std::string_view("/");
  down_head_ += fmt::format(
      "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://{}{}{}\r\nContent-Length: 0\r\nConnection: {}\r\n\r\n",
      name, port == 443 ? std::string() : fmt::format(":{}", port), path,
      exchange_.keep_alive ? "keep-alive" : "close");
  end_own_answer();
  return true;
}

void HttpSession::use_machine() {
  if (asleep()) return wait_for_machine();
  out_scan_.reset();
  down_head_.clear();
  down_sent_ = 0;
  machine_ = endpoint_->take_idle(exchange_.retryable ? Reuse::kAny : Reuse::kIfSure);
  if (!machine_) return connect_machine();
  machine_->stream.watcher = this;
  touch();
}

/// Waits for its turn where the machine's connections have come too fast: one that closes each of them makes every
/// request cost the host a connection, which it remembers for minutes.
void HttpSession::connect_machine() {
  const auto now = shard_.loop().now();
  const auto turn = may_connect_ ? std::optional(now) : endpoint_->turn_to_connect(now);
  may_connect_ = false;
  if (!turn) return answer_page(Page::kTooMany, 503);
  if (*turn > now) {
    state_ = State::kConnect;
    shard_.loop().set_deadline(*this, *turn);
    return;
  }
  machine_ = endpoint_->connect(*this, true);
  if (!machine_) {
    shard_.totals().upstream_errors.add();
    return answer_page(Page::kNoAnswer, 502);
  }
  state_ = State::kConnect;
  shard_.loop().set_deadline(*this, shard_.loop().now() + shard_.options().connect_timeout);
}

bool HttpSession::finish_connect() {
  if (client_.broken) {
    end();
    return false;
  }
  if (!machine_) return false;  // its turn has not come
  auto& stream = machine_->stream;
  if (!stream.writable && !stream.broken) return false;
  if (connect_error(stream) != 0) {
    shard_.totals().upstream_errors.add();
    answer_page(Page::kNoAnswer, 502);
    return true;
  }
  state_ = State::kExchange;
  touch();
  return true;
}

void HttpSession::refuse_request(const Refusal& refusal) {
  exchange_ = {};
  // Its fields could not be read; a browser is told from a person in a terminal all the same.
  if (in_.raw().contains("text/html")) exchange_.form = Form::kHtml;
  in_body_.begin({});
  in_.clear();
  in_scan_.reset();
  up_head_.clear();
  up_sent_ = 0;
  answer_page(Page::kRefused, refusal.status, {}, refusal.why);
}

void HttpSession::answer_page(Page page, int status, std::string_view host, std::string_view detail) {
  answer_page({page, status, host, detail});
}

void HttpSession::answer_page(PageText text) {
  if (!begin_own_answer(text.status)) return;
  down_head_ += render_page(text, exchange_.form, exchange_.keep_alive, exchange_.head_only);
  end_own_answer();
}

/// What is asked for on any name and never of a machine. False: nothing of it is.
bool HttpSession::answer_itself(const RequestHead& head) {
  const auto* text = shard_.own_answer(head.target);
  if (text == nullptr || (head.method != "GET" && head.method != "HEAD")) return false;
  if (!begin_own_answer(200)) return true;
  down_head_ += render_text(*text, exchange_.keep_alive, exchange_.head_only);
  end_own_answer();
  return true;
}

/// False: part of another answer has gone out.
bool HttpSession::begin_own_answer(int status) {
  await_answer(false);
  // Once the client has part of another answer, the cut connection is the only honest sign.
  if (exchange_.head_done) {
    cut();
    return false;
  }
  bool request_over = in_body_.done() && in_.ready().empty();
  exchange_.keep_alive = exchange_.keep_alive && request_over && !shard_.draining();
  exchange_.status = status;
  drop_machine();
  out_.clear();
  // An interim answer may be on its way; it goes out first.
  down_head_.erase(0, down_sent_);
  down_sent_ = 0;
  return true;
}

void HttpSession::end_own_answer() {
  state_ = State::kPage;
  touch();
}

bool HttpSession::write_page() {
  if (!client_.writable) return false;
  iovec piece{down_head_.data() + down_sent_, down_head_.size() - down_sent_};
  auto sent = client_.write({&piece, 1});
  if (sent.state == Io::kBlocked) return false;
  if (sent.state != Io::kOk) {
    end();
    return false;
  }
  down_sent_ += sent.size;
  count(0, sent.size);
  if (down_sent_ < down_head_.size()) return true;
  shard_.totals().requests[static_cast<std::size_t>(exchange_.status / 100)].add();
  if (exchange_.keep_alive) next_request();
  else begin_linger();
  return true;
}

void HttpSession::next_request() {
  if (shard_.draining()) return begin_linger();
  state_ = State::kHead;
  down_head_.clear();
  down_sent_ = 0;
  auto idle = shard_.options().idle_timeout;
  if (!in_.raw().empty()) idle = shard_.options().head_timeout;
  if (idle.count() > 0) shard_.loop().set_deadline(*this, shard_.loop().now() + idle);
  else shard_.loop().clear_deadline(*this);
}

void HttpSession::begin_linger() {
  // Closing over unread bytes makes the kernel reset the connection, and the client may lose the answer.
  if (client_.peer_ended && !client_.readable) return end();
  in_.clear();
  client_.shutdown_write();
  state_ = State::kLinger;
  shard_.loop().set_deadline(*this, shard_.loop().now() + kLinger);
}

bool HttpSession::linger() {
  if (!client_.readable) return false;
  auto [to, size] = in_.room();
  auto got = client_.read(to, size);
  in_.clear();
  if (got.state == Io::kOk) return true;
  if (got.state != Io::kBlocked) end();
  return false;
}

void HttpSession::touch() {
  const auto& options = shard_.options();
  auto wait = options.idle_timeout;
  bool waits_for_answer = state_ == State::kExchange && !exchange_.answered && request_sent();
  if (waits_for_answer) wait = options.answer_timeout;
  if (stuck_ == 1) wait = std::min(wait, options.half_stuck_timeout);
  if (stuck_ == 2) wait = std::min(wait, options.stuck_timeout);
  if (exchange_.client_ended && (wait.count() == 0 || wait > kHalfClosedGrace)) wait = kHalfClosedGrace;
  if (wait.count() > 0) shard_.loop().set_deadline(*this, shard_.loop().now() + wait);
  else shard_.loop().clear_deadline(*this);
}

void HttpSession::on_deadline() {
  if (held()) return give_up_waiting();
  switch (state_) {
    case State::kHead:
      if (in_.raw().empty()) return end();
      refuse_request({408, "The head of the request did not come in time."});
      return advance();
    case State::kConnect:
      if (!machine_) {
        may_connect_ = true;
        state_ = State::kExchange;
        use_machine();
        return advance();
      }
      shard_.totals().upstream_errors.add();
      answer_page(Page::kNoAnswer, 502);
      return advance();
    case State::kExchange:
      if (exchange_.client_ended || !request_sent() || exchange_.head_done) return cut();
      shard_.totals().upstream_errors.add();
      answer_page(Page::kTooSlow, 504);
      return advance();
    case State::kTunnel:
    case State::kPage:
      return cut();
    case State::kLinger:
    case State::kClosed:
      return end();
  }
}

void HttpSession::drain() {
  exchange_.keep_alive = false;
  if (state_ == State::kHead && in_.raw().empty()) end();
}

void HttpSession::drop_machine() {
  if (!machine_) return;
  machine_->stream.close();
  shard_.loop().bury(std::move(machine_));
}

void HttpSession::cut() {
  if (state_ == State::kClosed) return;
  client_.reset();
  end();
}

void HttpSession::end() {
  if (state_ == State::kClosed) return;
  if (state_ == State::kExchange || state_ == State::kConnect) shard_.totals().requests[0].add();
  state_ = State::kClosed;
  client_.close();
  drop_machine();
  detach();
  shard_.remove(*this);
}

}  // namespace tiltyard::gateway
