#pragma once

#include <string>

#include "gateway/shard.h"
#include "gateway/tls_layer.h"

namespace tiltyard::gateway {

/// A connection to a port of TLS until it is known where it leads: reads the hello, which must be whole within the time
/// of a head and 16 KiB, and goes on as what the name is for: an HTTP session or a raw one over TLS, a raw one that
/// hands the bytes through to its machine, or a connection of the server's own page. All others are told what is wrong.
class HelloSession final : public Session, private tls::Doorman {
 public:
  /// `port`: of raw TCP, whose visitor has begun with a hello instead of a token's line; 0: the port of TLS.
  static void begin(Shard& shard, Arrival arrival, Guest guest, std::uint16_t port = 0);

  void on_ready(Stream& stream) override;
  void on_turn() override;
  void cut() override;
  void drain() override { end(); }
  void fell_asleep() override {}
  void woke(bool) override {}

 private:
  enum class State : std::uint8_t { kHello, kShake, kLinger, kClosed };
  enum class Way : std::uint8_t { kHttp, kRaw, kThrough, kPage };

  using Session::Session;
  void on_deadline() override;
  tls::Verdict on_hello(const tls::Hello& hello) override;
  void advance();
  bool step();
  bool begin_at_once();
  bool read_hello();
  bool take_hello();
  void find_way(const std::string& name);
  bool shake();
  void go_on();
  void go_elsewhere();
  static void begin_raw(Shard& shard, Arrival arrival, Guest guest, std::uint16_t port);
  void refuse(std::string_view bytes);
  void begin_linger();
  bool linger();
  Arrival give_away(std::string first);
  void end();

  State state_ = State::kHello;
  Way way_ = Way::kHttp;
  Stream client_;
  std::string hello_;
  tls::HelloScan scan_;
  TlsLayer* layer_ = nullptr;  ///< the stream's
  std::string name_;           ///< that was asked for
  std::string token_;          ///< that stood before it
  std::uint16_t port_ = 0;
};

}  // namespace tiltyard::gateway
