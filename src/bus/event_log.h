#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bus/bus.h"
#include "store/store.h"

namespace tiltyard::bus {

namespace asio = boost::asio;

/// The channel (store/news.h) on which it is said that somebody may have lost a right (Touches::kRights).
inline constexpr char kRightsChannel[] = "rights";

/// Numbers 300 to 399 of the schema.
std::vector<store::Migration> migrations();

/// Writes the event into the log, within the caller's transaction: it is there if and only if the change it tells of
/// is. Its place in the log (`seq`) grows strictly in the order of commits. Line breaks and control characters are made
/// visible, what looks like a secret is blotted out, and every field has a bound. An `at` of zero means now.
/// `event-not-kept` (a bug) for a kind that only passes.
Result<> record(soci::session& sql, const Event& event);

/// The same in a transaction of its own, for what changes nothing else in the database.
asio::awaitable<Result<>> record(store::Store& store, Event event);

/// For events that nobody waits for and a stranger can cause at will: failed sign-ins, refused tokens. `note` costs the
/// caller a place in a queue. Of the kinds whose rows are counted, the first of a minute from one address is written at
/// once; the others are counted in memory and become one more row when the minute is over, with `count`, the first and
/// last time, and up to five of the names tried. An IPv6 address counts as its /64. So one kind makes at most 2 x 200
/// rows a minute; addresses beyond 200 are counted together. A process that is killed loses the counts of the last
/// minute, no more.
class EventLog {
 public:
  EventLog(asio::any_io_executor home, store::Store& store, const Clock& clock);
  ~EventLog();

  /// Thread-safe; never blocks, never fails. When the database does not keep up, what is more than 1,000 waiting events
  /// is dropped and counted (`tiltyard_events_dropped_total`).
  void note(Event event);

  /// Starts writing; before it `note` only collects.
  void run();
  /// Writes what is left. Call before the store closes.
  asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::bus
