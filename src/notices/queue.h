#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/kinds.h"
#include "store/store.h"

namespace tiltyard::notices {

namespace asio = boost::asio;

/// One notice that waits.
struct Notice {
  std::string id;       ///< sorts by age
  std::string channel;  ///< "discord" or "mail"
  std::string mark;     ///< the same at every try, and of every process
  std::string kind;     ///< of the event; empty: a letter
  std::string payload;  ///< an embed as JSON, or a sealed letter
  int tries = 0;        ///< that failed
  bool alone = false;   ///< not together with others
  TimePoint created_at{}, next_at{};
};

struct LoggedEvent {
  long long seq = 0;
  bus::Event event;
};

/// The tables `notices` and `notice_cursor`.
class Queue {
 public:
  explicit Queue(store::Store& store) : store_(store) {}

  asio::awaitable<Result<long long>> cursor();
  /// Events after `seq`, the oldest first.
  asio::awaitable<Result<std::vector<LoggedEvent>>> events_after(const bus::Kinds& kinds, long long seq, int limit);
  /// Puts the notices in and moves the cursor, both or neither. A mark that is there already is left as it is.
  asio::awaitable<Result<>> feed(std::vector<Notice> notices, long long cursor);
  asio::awaitable<Result<>> put(Notice notice);
  asio::awaitable<Result<std::vector<Notice>>> due(std::string channel, TimePoint now, int limit);
  asio::awaitable<Result<long long>> waiting(std::string channel);
  asio::awaitable<Result<>> done(std::vector<std::string> ids);
  /// Another try at `next_at`; it was a failed one if `counts`.
  asio::awaitable<Result<>> again(std::vector<std::string> ids, TimePoint next_at, bool counts, bool alone);
  /// Takes them out, and says so in the event log for those that `told` names.
  asio::awaitable<Result<>> give_up(std::vector<std::string> ids, std::vector<bus::Event> told);

 private:
  store::Store& store_;
};

}  // namespace tiltyard::notices
