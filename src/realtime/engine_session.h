#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/parallel.h"
#include "net/shares.h"
#include "realtime/engine_io.h"
#include "realtime/engine_packet.h"
#include "realtime/heartbeat.h"

namespace tiltyard::realtime::engine_io {

class Session;
using SessionRef = std::shared_ptr<Session>;

/// What the sessions of a server share; home loop only.
struct Server::State : std::enable_shared_from_this<Server::State> {
  State(asio::any_io_executor h, Options o, Greet g, Accept a)
      : home(std::move(h)),
        options(std::move(o)),
        greet(std::move(g)),
        accept(std::move(a)),
        heartbeat(home),
        places(options.sessions_per_address, options.max_sessions),
        strangers((options.sessions_per_address + 3) / 4, (options.max_sessions + 1) / 2) {}

  asio::any_io_executor home;
  Options options;
  Greet greet;
  Accept accept;
  Heartbeat heartbeat;
  net::Shares places;     ///< of sessions
  net::Shares strangers;  ///< and of those of whom nothing is known
  std::unordered_map<std::string, SessionRef> sessions;
  std::unordered_map<std::string, SessionRef>
      farewells;  ///< closed by their clients, whose last poll may still be on its way
  bool closed = false;

  std::string open_packet(const std::string& id, bool may_upgrade) const;
  SessionRef open(Opening opening, struct Admission admission);
};

/// The place of a session among all of them, and among the strangers while it is one.
struct Admission {
  net::Holder address = 0;
  net::Shares::Hold place, stranger;
};

/// One client, from the handshake to the end. Lives on the home loop; its socket, when it has one, on a net loop.
class Session final : public Channel, public Heartbeat::Beating, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Server::State> server, std::string id, Admission admission);
  ~Session() override;

  const std::string& id() const override { return id_; }
  void send(ParcelRef parcel) override;
  void send_alone(ParcelRef parcel) override;
  void trust() override;
  void count_for(net::Holder user) override;
  void close(std::string_view reason) override { end(reason, PacketType::kClose); }
  bool closed() const override { return closed_; }
  std::shared_ptr<http::FrameSocket> wire() const override { return wire_; }

  void set_user(std::shared_ptr<ChannelUser> user) { user_ = std::move(user); }
  bool polls() const { return !wire_ && !opens_with_socket_; }
  /// Bytes of one message or one polling request.
  std::size_t may_send() const;

  /// Holds the answer until there is something to say.
  asio::awaitable<http::Response> poll();
  http::Response take_payload(std::string_view body);
  /// Of a session among the farewells: what was still to be said.
  http::Response last_words();

  /// A session that begins with a socket, and one that may go over to it.
  void expect_socket() { opens_with_socket_ = true; }
  void on_socket(std::shared_ptr<http::FrameSocket> socket);
  void on_socket_messages(const std::shared_ptr<http::FrameSocket>& socket, std::vector<http::FrameEvent> messages);
  /// `socket` may be gone already.
  void on_socket_end(const http::FrameSocket* socket, std::string_view why);

  void on_beat() override;

 private:
  struct Polling;

  void take(Packet packet);
  void take_from_probe(const std::shared_ptr<http::FrameSocket>& socket, std::string_view text);
  void upgrade(std::shared_ptr<http::FrameSocket> socket);
  void send_control(std::string packet);
  void buffer(std::string payload);
  void flush_poll();
  void end(std::string_view reason, PacketType last);
  void await_ping();
  bool floods();

  std::shared_ptr<Server::State> server_;
  const std::string id_;
  std::shared_ptr<ChannelUser> user_;
  std::shared_ptr<http::FrameSocket> wire_;  ///< what carries it, once it does
  std::unique_ptr<Polling> polling_;         ///< until then
  Admission admission_;
  net::Holder holder_ = 0;   ///< whose it is; 0: not known yet
  std::size_t packets_ = 0;  ///< since its last sign of life
  bool closed_ = false, ponging_ = false, opens_with_socket_ = false, trusted_ = false;
};

/// An answer as the reference server gives it: {"code", "message"} with status 400, or 403 for code 4.
http::Response refusal(int code, std::string_view message);
/// Takes up a socket that was just opened for `session`; on the home loop.
void connect_socket(asio::any_io_executor home, SessionRef session, std::shared_ptr<http::FrameSocket> socket);
/// From the home loop: how large a message may be, what is sent, the end.
void allow(const std::shared_ptr<http::FrameSocket>& socket, std::size_t message);
void send_to(const std::shared_ptr<http::FrameSocket>& socket, http::SharedBytes frames);
void close_socket(const std::shared_ptr<http::FrameSocket>& socket, std::uint16_t code, std::string reason);

}  // namespace tiltyard::realtime::engine_io
