#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/body.h"
#include "gateway/head.h"
#include "guard/owners.h"
#include "guard/rules.h"
#include "net/transport.h"

namespace tiltyard::guard {

struct Needs {
  std::string engine;  ///< the path of its socket
  const Rules& rules;
  Owners& owners;
  std::function<asio::awaitable<Result<>>()> isolated;
};

/// One connection of the server's, and the one to the engine behind it. A call is read and judged, written anew, and
/// its answer passed back; nothing of the next one is read before that has ended.
class Session {
 public:
  Session(const Needs& needs, http::Transport::Socket client);
  ~Session();

  asio::awaitable<void> run();

 private:
  /// Bytes of one side that have been read and not been used yet.
  struct Side {
    std::shared_ptr<http::Transport> transport;
    std::string pending;
  };

  /// One call and its answer; false: the connection ends.
  asio::awaitable<bool> exchange();
  asio::awaitable<Result<>> judge(Call* call);
  asio::awaitable<bool> pass(Call call, gateway::Framing framing, std::string opening);
  enum class Then { kEnds, kGoesOn, kBothWays };
  asio::awaitable<Then> answer(const Call* call);
  asio::awaitable<bool> reach_engine(bool anew);
  asio::awaitable<bool> say(int status, std::string_view reason, std::string_view message);
  asio::awaitable<void> both_ways();
  asio::awaitable<void> pump(Side* from, Side* to);

  /// The size of a head that has arrived whole; 0: it did not.
  asio::awaitable<std::size_t> read_head(Side* from, std::size_t limit);
  asio::awaitable<std::optional<std::string>> read_body(gateway::Framing framing);
  asio::awaitable<bool> pass_body(Side* from, Side* to, gateway::Framing framing);
  asio::awaitable<bool> read_more(Side* from);
  /// Until the client has closed. What it sends meanwhile waits.
  asio::awaitable<void> client_gone();

  void patient_for(std::chrono::steady_clock::duration time);

  const Needs& needs_;
  Side client_, engine_;
  std::shared_ptr<asio::steady_timer> patience_;
  std::chrono::steady_clock::time_point patient_since_;
};

}  // namespace tiltyard::guard
