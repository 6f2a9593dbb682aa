#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "gateway/shard.h"

namespace tiltyard::gateway {

/// A raw connection of a player: connects to the machine, then relays until both sides have ended. What has been read
/// of it already goes first; where the endpoint wants one, behind a header that tells the machine of the player.
class TcpSession final : public Session {
 public:
  static void begin(Shard& shard, Arrival arrival, const Target& target, Guest guest);

  void on_ready(Stream& stream) override;
  void on_turn() override { advance(); }
  void cut() override;
  void drain() override {}
  void fell_asleep() override { advance(); }
  void woke(bool good) override;

 private:
  using Session::Session;
  void on_deadline() override;
  void enter(const Target& target);
  void tell_machine(int version);
  void connect();
  void send_first();
  void begin_relay();

  // The door (tcp_door.cpp).
  struct Prompt {
    Target target;
    std::array<char, 128> bytes;
    std::size_t size = 0;
    bool asked = false;
  };
  bool pass_door(const Target& target, std::string_view token);
  void ask();
  void refuse(std::string_view why);
  void read_token();
  void go_under_tls();
  void take_token(std::string_view line, std::string_view rest);

  void advance();
  bool must_wait();
  void touch();
  void end();

  Stream client_;
  std::unique_ptr<Upstream> machine_;
  std::optional<Relay> relay_;
  std::unique_ptr<Prompt> prompt_;  ///< while the visitor is asked for a token
  std::string first_;               ///< has been read already, of a hello or with the token, and goes first
  std::string name_;                ///< that the player has asked for; until the machine may be told
  std::uint64_t counted_in_ = 0, counted_out_ = 0;
  int stuck_ = 0;  ///< sides that do not take their bytes
  bool may_connect_ = false, closed_ = false;
};

}  // namespace tiltyard::gateway
