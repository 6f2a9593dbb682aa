#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace soci {
class session;
}

namespace tiltyard::audit {

/// An event as it stands in the log.
struct Row {
  long long seq = 0;
  std::string kind, subject, owner, actor, actor_id, address;
  TimePoint at{};
  std::string detail;
};

/// All that is given must hold.
struct Filter {
  std::vector<std::string_view> kinds;   ///< names of declared kinds; empty: all but `hidden`
  std::vector<std::string_view> hidden;  ///< kinds that the reader may not see
  std::string user;                      ///< who did it: an id or a name
  std::string owner;                     ///< whose it is: an id
  std::string subject;                   ///< what it happened to, such as an instance's id
  std::optional<TimePoint> from, to;     ///< from <= at < to
  std::string text;                      ///< stands somewhere in the event, whatever the case of A to Z
};

enum class Order { kNewestFirst, kOldestFirst };

struct PageRequest {
  Order order = Order::kNewestFirst;
  long long above = 0;  ///< only seq > above
  long long below = 0;  ///< only seq < below; 0: up to the newest
  int limit = 100;
  int look_at_most = 20'000;  ///< rows; a rare text is found with several calls, none of which takes long
};

struct Page {
  std::vector<Row> rows;
  long long last = 0;  ///< the newest seq of the whole log when it was read
  std::optional<long long>
      next;  ///< where to go on: `below` (or `above`, oldest first) of the next call; none: that was all
  std::optional<TimePoint> looked_until;  ///< the time of the row where the search stopped before the page was full
};

/// Reads a page by sequence: rows that are added meanwhile change nothing about those further on. The cost does not
/// depend on how many events there are: an index leads to the rows of the narrowest filter, the others are checked on
/// at most `look_at_most` of them.
Result<Page> read_page(soci::session& sql, const Filter& filter, const PageRequest& request);

}  // namespace tiltyard::audit
