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
  static void begin(Shard& shard, Arrival arrival, Guest guest);

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
  bool read_hello();
  bool shake();
  void go_on();
  void go_elsewhere();
  static void begin_raw(Shard& shard, Arrival arrival, Guest guest);
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
};

}  // namespace tiltyard::gateway
