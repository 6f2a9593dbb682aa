#pragma once

#include <array>
#include <optional>
#include <string>

#include "gateway/body.h"
#include "gateway/head.h"
#include "gateway/pages.h"
#include "gateway/shard.h"

namespace tiltyard::gateway {

/// The name as routes have it, in `room`: small letters, without a last dot.
std::string_view plain_name(std::string_view name, std::array<char, 256>& room);

/// A player's HTTP/1.1 connection: reads a head, finds the machine, lets request and answer pass side by side, and goes
/// on with the next request. A state machine that moves when a socket is ready; nothing is allocated per request once
/// the strings have grown. Pipelined requests wait in the buffer until the answer before them has been sent.
class HttpSession final : public Session {
 public:
  static void begin(Shard& shard, Arrival arrival, bool secure, Guest guest);
  /// Over the limit of connections: a short 503, then closed.
  static void refuse(int fd);
  /// Whether it is a WebSocket that was opened by this name: it is not asked for its way again as requests are.
  bool was_opened_by(std::string_view name) const {
    return state_ == State::kTunnel && opened_by_ && *opened_by_ == name;
  }

  void on_ready(Stream& stream) override;
  void on_turn() override;
  void cut() override;
  void drain() override;
  void fell_asleep() override;
  void woke(bool good) override;

 private:
  enum class State : std::uint8_t { kHead, kConnect, kExchange, kTunnel, kPage, kLinger, kClosed };

  /// One request and its answer.
  struct Exchange {
    bool head_only = false;   ///< HEAD
    bool http10 = false;      ///< the client speaks HTTP/1.0
    bool keep_alive = false;  ///< the client's connection may stay
    bool websocket = false;   ///< an upgrade was asked for
    bool retryable = false;   ///< may be sent twice: idempotent and without a body
    bool retried = false;
    Form form = Form::kText;     ///< of what the gateway itself says
    bool request_lost = false;   ///< the machine takes no more of the request
    bool answered = false;       ///< a byte of an answer has come
    bool head_done = false;      ///< the final answer's head has been read
    bool machine_keeps = false;  ///< the machine's connection can be used again
    bool client_ended = false;   ///< the client has closed its direction
    bool cut_short = false;      ///< the machine has closed within its head
    std::uint8_t interims = 0;
    int status = 0;
  };

  HttpSession(Shard& shard, bool secure, Guest guest)
      : Session(shard, std::move(guest)), secure_(secure), in_(shard.blocks()), out_(shard.blocks()) {}
  void on_deadline() override;

  // Each does one step and tells whether another may follow at once.
  void advance();
  bool step();
  bool read_head();
  bool read_more_head();
  bool finish_connect();
  bool exchange();
  bool tunnel();
  bool write_page();
  bool linger();

  // The request's way.
  void begin_exchange(std::string_view head);
  void route(RequestHead& head);
  bool redirects(const RequestHead& head, std::string_view name, bool secure);
  const Target* find(std::string_view name) const;
  const Target* find_as_forwarded(RequestHead& head) const;

  // The door (http_door.cpp).
  struct AtDoor;
  /// Whether the request is not for the machine: it has been answered then.
  bool stays_outside(const RequestHead& head, const Target& target, bool secure);
  bool is_led_here(const AtDoor& at) const;
  void serve_reserved(const AtDoor& at);
  void redeem(const AtDoor& at, std::string_view grant, std::string_view path);
  void turn_away(const AtDoor& at);
  void send_to(std::string_view location, std::string_view fields = {});
  void use_machine();
  void wait_for_machine();
  bool must_wait();
  void give_up_waiting();
  void connect_machine();
  bool send_request();
  bool read_body();
  bool filter_request();

  // The answer's way.
  bool pass_answer();
  bool flush_answer();
  bool read_answer_head();
  bool take_answer_head(std::string_view bytes);
  bool take_interim(const ResponseHead& head);
  bool end_head();
  bool refuse_answer(std::string_view why);
  void begin_tunnel();
  bool read_machine();
  bool filter_answer();
  bool machine_gone(bool properly);
  void finish_exchange();

  void answer_page(Page page, int status, std::string_view host = {}, std::string_view detail = {});
  void answer_page(PageText text);
  bool answer_itself(const RequestHead& head);
  bool begin_own_answer(int status);
  void end_own_answer();
  void refuse_request(const Refusal& refusal);
  void drop_machine();
  void next_request();
  void begin_linger();
  void touch();
  void end();
  bool request_sent() const { return in_body_.done() && up_sent_ == up_head_.size() && in_.ready().empty(); }

  State state_ = State::kHead;
  const bool secure_;
  Exchange exchange_;
  Stream client_;
  std::string client_address_;
  Buffer in_, out_;  ///< from the client, from the machine
  HeadEnd in_scan_, out_scan_{Reading::kAnswer};
  BodyFilter in_body_, out_body_;
  std::string up_head_, down_head_;  ///< to the machine, to the client
  std::size_t up_sent_ = 0, down_sent_ = 0;
  std::unique_ptr<Upstream> machine_;
  std::optional<Relay> tunnel_;
  std::unique_ptr<std::string> opened_by_;  ///< of a WebSocket: the name that it was asked for at
  std::uint64_t counted_in_ = 0, counted_out_ = 0;
  int stuck_ = 0;             ///< sides of the tunnel that do not take their bytes
  bool may_connect_ = false;  ///< its turn to connect to the machine has come
};

}  // namespace tiltyard::gateway
