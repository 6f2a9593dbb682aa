#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <vector>

namespace tiltyard::net {

namespace asio = boost::asio;

/// Where domain logic runs: on a thread of its own, or on the first net loop's, which saves two hops for each request
/// where there is only one core to run on.
enum class Home { kApart, kWithTheFirst };

/// The threads with event loops: one *home* loop for domain logic, and `count` net loops for connections (a connection
/// stays on its loop). Started by the constructor, joined by the destructor.
class Loops {
 public:
  explicit Loops(std::size_t count, Home home = Home::kApart);
  ~Loops();
  Loops(const Loops&) = delete;
  Loops& operator=(const Loops&) = delete;

  asio::any_io_executor home() const;
  std::size_t size() const;
  asio::any_io_executor net(std::size_t index) const;
  /// Lets every loop run out of work and joins the threads; idempotent.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tiltyard::net
