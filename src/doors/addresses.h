#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "net/shares.h"

namespace tiltyard::doors {

/// From where owners have lately used the page or the API. At most 20,000 addresses, and 100 of one owner: nobody takes
/// the room of others with addresses of their own.
class Addresses {
 public:
  explicit Addresses(std::chrono::seconds ttl) : ttl_(ttl) {}

  /// Whether it is to be noted anew: when an eighth of the time has gone, not with every request.
  bool is_news(const std::string& owner, net::Holder address, TimePoint now) const;
  /// False: there is no room for it.
  bool note(const std::string& owner, net::Holder address, const std::string& visitor, TimePoint now);
  std::optional<TimePoint> until(const std::string& owner, net::Holder address, TimePoint now) const;
  /// What an owner or a visitor has brought; empty: all.
  void forget(const std::string& subject);

 private:
  struct Seen {
    std::string visitor;
    TimePoint at;
  };
  bool make_room(const std::string& owner, TimePoint now);

  std::chrono::seconds ttl_;
  std::map<std::pair<std::string, net::Holder>, Seen> seen_;
};

}  // namespace tiltyard::doors
