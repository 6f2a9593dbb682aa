#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace tiltyard::engine::isolation {

namespace asio = boost::asio;

/// Where machines' questions for names end up: the firewall's table leads what they send to port 53 of their bridge
/// here, and nothing else may send here.
inline constexpr std::uint16_t kNoNamesPort = 15353;

/// How many questions are read. The port is everybody's who reaches the host, and the loop is the house's: what comes
/// faster is left to the kernel, which drops it.
class Intake {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr int kMostAtOnce = 200;
  static constexpr std::chrono::milliseconds kWindow{100};

  explicit Intake(Time now) : window_(now) {}
  /// One was read: how long not to read. After a wait the next window begins (`rested`).
  std::chrono::nanoseconds read_one(Time now);
  void rested(Time now);

 private:
  Time window_;  ///< when it began
  int taken_ = 0;
};

/// Answers every question for a name with "there is none". A machine without a way out asks here for names of outside,
/// and hears so at once, where it would have waited twenty seconds for somebody who cannot be reached: Docker's own
/// resolver, which knows the names inside, answers nothing at all when it reaches nobody. Asks nobody itself. Belongs
/// to one loop. Servers on one host answer side by side.
class NoNames {
 public:
  explicit NoNames(asio::any_io_executor executor);
  ~NoNames();
  /// A port that somebody else has is logged, and then machines wait as before.
  void run();
  asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The answer NXDOMAIN to a query; empty where it is none that one answers: not a standard query, no or several
/// questions, cut off. https://www.rfc-editor.org/rfc/rfc1035#section-4.1
std::string no_such_name(std::string_view query);

}  // namespace tiltyard::engine::isolation
