#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/news.h"

namespace tiltyard::store {

/// Who listens to which channel on this server, and the way to them. Thread-safe. It may go before its listeners.
class Hub {
 public:
  Hub();
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  std::unique_ptr<Listener> listen(std::string channel, boost::asio::any_io_executor executor, Listener::Told told);
  /// Posts it to all who listen to the channel.
  void tell(std::string_view channel, const News& news);
  void tell_all(const News& news);
  std::set<std::string> channels() const;

 private:
  class Ear;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::store
