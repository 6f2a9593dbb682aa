// One Engine.IO session: its two transports, the way from one to the other, and its heartbeat.
#include "realtime/engine_session.h"

#include <boost/asio/post.hpp>

#include <algorithm>

#include "observe/log.h"
#include "observe/metrics.h"
#include "realtime/measures.h"

namespace tiltyard::realtime::engine_io {
namespace {

using http::FrameEvent;
using http::FrameSocket;
using http::SharedBytes;

constexpr std::string_view kByClient = "client";
constexpr std::chrono::seconds kFarewell{1};

const metrics::Gauge& open_sessions() {
  static const auto gauge = metrics::gauge(measures::kConnections);
  return gauge;
}

/// Reasons are few and ours: no client makes up a label.
void count_end(std::string_view reason) { metrics::counter(measures::kClosed, {std::string(reason)}).add(); }

SharedBytes text_frame(std::string_view packet) {
  return std::make_shared<const std::string>(http::frame_of(http::Opcode::kText, packet));
}

/// Brings what happens to a socket on its loop to the session on the home loop.
class SocketUser final : public FrameSocket::User {
 public:
  SocketUser(asio::any_io_executor home, SessionRef session, const std::shared_ptr<FrameSocket>& socket)
      : home_(std::move(home)), session_(std::move(session)), socket_(socket), which_(socket.get()) {}

  void on_messages(std::vector<FrameEvent> messages) override {
    asio::post(home_, [session = session_, weak = socket_, messages = std::move(messages)]() mutable {
      auto socket = weak.lock();
      if (!socket) return;
      session->on_socket_messages(socket, std::move(messages));
      // Only now more: a client that floods us is held back by its own socket.
      asio::post(socket->executor(), [socket] { socket->resume(); });
    });
  }

  void on_end(std::string_view why) override {
    asio::post(home_, [session = std::move(session_), which = which_, why = std::string(why)] {
      session->on_socket_end(which, why);
    });
  }

 private:
  asio::any_io_executor home_;
  SessionRef session_;
  std::weak_ptr<FrameSocket> socket_;
  const FrameSocket* which_;  ///< to be compared only: it may be gone when the session hears of its end
};

http::Response payload_answer(std::string body) {
  http::Response response = http::Response::text(200, std::move(body));
  response.headers.set("Cache-Control", "no-store");
  return response;
}

}  // namespace

/// What only a session that polls needs.
struct Session::Polling {
  Polling(const asio::any_io_executor& home, net::Claim of_waiting) : wake(home), claim(std::move(of_waiting)) {}
  Signal wake;
  net::Claim claim;     ///< for `waiting`
  std::string waiting;  ///< packets that no poll has taken yet
  std::shared_ptr<http::FrameSocket> probe;
  bool held = false;  ///< a poll waits
  bool probed = false;

  /// All that waits; it is the answer's from here on.
  std::string take() {
    claim.release();
    return std::exchange(waiting, {});
  }
};

Session::Session(std::shared_ptr<Server::State> server, std::string id, Admission admission)
    : server_(std::move(server)),
      id_(std::move(id)),
      polling_(std::make_unique<Polling>(server_->home, net::Claim(server_->options.budget, admission.address))),
      admission_(std::move(admission)) {
  open_sessions().add(1);
  await_ping();
}

Session::~Session() { open_sessions().add(-1); }

std::size_t Session::may_send() const {
  return trusted_ ? server_->options.max_payload : server_->options.strangers_payload;
}

void Session::trust() {
  trusted_ = true;
  packets_ = 0;
  admission_.stranger.reset();
  if (wire_) allow(wire_, may_send());
}

void Session::count_for(net::Holder user) {
  holder_ = user;
  if (polling_) polling_->claim.count_for(net::Claim::Of::kUser, user);
  if (wire_) asio::post(wire_->executor(), [socket = wire_, user] { socket->count_for(user); });
}

/// Every packet is a call on the home loop, whatever is in it.
bool Session::floods() {
  const auto interval = std::max(std::chrono::milliseconds(1000), server_->options.ping_interval);
  const std::size_t most = trusted_
                               ? server_->options.packets_per_second * static_cast<std::size_t>(interval.count()) / 1000
                               : server_->options.strangers_packets;
  return ++packets_ > most;
}

void Session::await_ping() {
  ponging_ = false;
  if (trusted_) packets_ = 0;
  server_->heartbeat.set(*this, server_->options.ping_interval);
}

void Session::on_beat() {
  if (closed_) {
    const auto self = shared_from_this();
    server_->farewells.erase(id_);
    return;
  }
  if (ponging_) return end("ping timeout", PacketType::kClose);
  if (!wire_ && opens_with_socket_) return end("never opened", PacketType::kClose);
  ponging_ = true;
  send_control(std::string(1, static_cast<char>(PacketType::kPing)));
  if (!closed_) server_->heartbeat.set(*this, server_->options.ping_timeout);
}

void Session::send(ParcelRef parcel) {
  if (closed_) return;
  if (wire_) return send_to(wire_, parcel->frames());
  buffer(parcel->payload());
}

void Session::send_alone(ParcelRef parcel) {
  if (closed_ || !wire_) return send(std::move(parcel));
  asio::post(wire_->executor(), [wire = wire_, frames = parcel->frames()] { wire->send_alone(frames); });
}

void Session::send_control(std::string packet) {
  if (closed_) return;
  if (wire_) return send_to(wire_, text_frame(packet));
  buffer(std::move(packet));
}

/// For the next poll.
void Session::buffer(std::string payload) {
  auto& waiting = polling_->waiting;
  const std::size_t grown = waiting.size() + payload.size();
  if (waiting.size() > server_->options.backlog || !polling_->claim.cover(grown))
    return end("slow", PacketType::kClose);
  if (!waiting.empty()) waiting.push_back(kSeparator);
  waiting += payload;
  flush_poll();
}

void Session::flush_poll() {
  if (polling_->held) polling_->wake.pulse();
}

asio::awaitable<http::Response> Session::poll() {
  const auto self = shared_from_this();
  if (closed_ || !polling_) co_return refusal(1, "Session ID unknown");
  if (polling_->held) {
    // Which of the two the client still reads nobody knows: so neither can be trusted with what is to come.
    end("two polls at once", PacketType::kClose);
    co_return refusal(3, "Bad request");
  }
  struct Hold {
    Session& session;
    bool answered = false;
    explicit Hold(Session& s) : session(s) { session.polling_->held = true; }
    ~Hold() {
      if (session.polling_) session.polling_->held = false;
      if (answered) return;
      // Cancelled: the client has gone while we held its request. Nothing may be thrown here; a session whose end fails
      // for want of memory ends when its client does not answer.
      try {
        session.end("poll given up", PacketType::kClose);
      } catch (const std::exception&) { session.ponging_ = true; }
    }
  } hold(*this);
  // Who is about to go over to a socket is not kept waiting.
  if (polling_->probed && polling_->waiting.empty()) polling_->waiting.push_back(static_cast<char>(PacketType::kNoop));
  while (!closed_ && polling_ && polling_->waiting.empty()) co_await polling_->wake.wait();
  hold.answered = true;
  if (!polling_) co_return payload_answer(std::string(1, static_cast<char>(PacketType::kNoop)));
  co_return payload_answer(polling_->take());
}

http::Response Session::last_words() {
  const auto self = shared_from_this();
  server_->heartbeat.clear(*this);
  server_->farewells.erase(id_);
  return payload_answer(polling_->take());
}

http::Response Session::take_payload(std::string_view body) {
  const auto self = shared_from_this();
  auto packets = decode_payload(body);
  if (!packets) {
    end("parse error", PacketType::kClose);
    return refusal(3, "Bad request");
  }
  for (auto& packet : *packets) {
    if (!closed_) take(std::move(packet));
  }
  return payload_answer("ok");
}

void Session::take(Packet packet) {
  if (floods()) return end("flood", PacketType::kClose);
  switch (packet.type) {
    case PacketType::kMessage:
      if (user_) user_->on_message({packet.binary, std::move(packet.data)});
      return;
    case PacketType::kPong:
      if (ponging_) await_ping();
      return;
    case PacketType::kClose:
      return end(kByClient, PacketType::kNoop);
    case PacketType::kUpgrade:
    case PacketType::kNoop:
      return;
    case PacketType::kOpen:
    case PacketType::kPing:
      break;
  }
  end("parse error", PacketType::kClose);
}

void Session::on_socket(std::shared_ptr<FrameSocket> socket) {
  if (opens_with_socket_) {
    opens_with_socket_ = false;
    if (closed_) return close_socket(socket, http::kCloseGoingAway, "too late");
    send_to(socket, text_frame(server_->open_packet(id_, false)));
    return upgrade(std::move(socket));
  }
  const bool free = !closed_ && polling_ && !polling_->probe;
  if (!free) return close_socket(socket, http::kClosePolicy, "this session has its transport");
  polling_->probe = std::move(socket);
}

void Session::on_socket_messages(const std::shared_ptr<FrameSocket>& socket, std::vector<FrameEvent> messages) {
  const auto self = shared_from_this();
  for (auto& message : messages) {
    if (closed_) return;
    const bool binary = message.kind == FrameEvent::Kind::kBinary;
    if (wire_ != socket) {
      take_from_probe(socket, binary ? std::string_view() : std::string_view(message.data));
    } else if (binary) {
      take({PacketType::kMessage, true, std::move(message.data)});
    } else if (auto packet = decode_packet(message.data)) {
      take(std::move(*packet));
    } else {
      end("parse error", PacketType::kClose);
    }
  }
}

/// "2probe", then "5" (engine.io-protocol v4, "Upgrade"). Between the two a held poll is sent home with a noop, because
/// the client waits for it before it goes over.
void Session::take_from_probe(const std::shared_ptr<FrameSocket>& socket, std::string_view text) {
  if (!polling_ || polling_->probe != socket) return;
  if (text == "2probe" && !polling_->probed) {
    polling_->probed = true;
    send_to(socket, text_frame("3probe"));
    if (polling_->held && polling_->waiting.empty()) buffer(std::string(1, static_cast<char>(PacketType::kNoop)));
    return;
  }
  if (text == "5" && polling_->probed) return upgrade(socket);
  close_socket(socket, http::kCloseProtocol, "not a probe");
  polling_->probe.reset();
  polling_->probed = false;
}

void Session::upgrade(std::shared_ptr<FrameSocket> socket) {
  const auto polling = std::exchange(polling_, nullptr);
  wire_ = std::move(socket);
  if (trusted_) allow(wire_, may_send());
  if (holder_ != 0) count_for(holder_);
  Audience::forget_ways();
  polling->wake.pulse();
  std::string_view rest = polling->waiting;
  while (!rest.empty()) {
    const auto end = rest.find(kSeparator);
    const auto packet = rest.substr(0, end);
    if (packet.starts_with('b')) {
      send_to(wire_, std::make_shared<const std::string>(
                         http::frame_of(http::Opcode::kBinary, from_base64(packet.substr(1)).value_or(""))));
    } else {
      send_to(wire_, text_frame(packet));
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
}

void Session::on_socket_end(const FrameSocket* socket, std::string_view why) {
  if (wire_ && wire_.get() == socket) return end(why, PacketType::kNoop);
  if (polling_ && polling_->probe.get() == socket) {
    polling_->probe.reset();
    polling_->probed = false;
  }
  if (opens_with_socket_) end(why, PacketType::kNoop);
}

/// `last` is what a held poll is answered with.
void Session::end(std::string_view reason, PacketType last) {
  if (closed_) return;
  const auto self = shared_from_this();
  closed_ = true;
  count_end(reason);
  server_->heartbeat.clear(*this);
  server_->sessions.erase(id_);
  if (wire_) {
    Audience::forget_ways();
    close_socket(wire_, reason == "slow" ? http::kClosePolicy : http::kCloseNormal, std::string(reason));
  }
  if (polling_) {
    if (polling_->probe) close_socket(polling_->probe, http::kCloseNormal, std::string(reason));
    polling_->probe.reset();
    if (!polling_->waiting.empty()) polling_->waiting.push_back(kSeparator);
    polling_->waiting.push_back(static_cast<char>(last));
    flush_poll();
    // A client polls while it says that it goes, on another connection: whichever of the two comes first, the poll has
    // its answer.
    if (reason == kByClient && !polling_->held && !server_->closed) {
      server_->farewells.emplace(id_, self);
      server_->heartbeat.set(*this, kFarewell);
    }
  }
  if (const auto user = std::exchange(user_, nullptr)) user->on_closed(reason);
}

void connect_socket(asio::any_io_executor home, SessionRef session, std::shared_ptr<FrameSocket> socket) {
  session->on_socket(socket);
  auto user = std::make_shared<SocketUser>(std::move(home), std::move(session), socket);
  asio::post(socket->executor(), [socket, user = std::move(user)]() mutable { socket->start(std::move(user)); });
}

void send_to(const std::shared_ptr<FrameSocket>& socket, SharedBytes frames) {
  asio::post(socket->executor(), [socket, frames = std::move(frames)]() mutable { socket->send(std::move(frames)); });
}

void allow(const std::shared_ptr<FrameSocket>& socket, std::size_t message) {
  asio::post(socket->executor(), [socket, message] { socket->allow(message); });
}

void close_socket(const std::shared_ptr<FrameSocket>& socket, std::uint16_t code, std::string reason) {
  asio::post(socket->executor(), [socket, code, reason = std::move(reason)] { socket->close(code, reason); });
}

}  // namespace tiltyard::realtime::engine_io
