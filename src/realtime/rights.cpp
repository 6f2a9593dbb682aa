// Who has lost the right to be here goes, at the latest within a second.
#include <map>

#include "realtime/rooms.h"

namespace tiltyard::realtime {

namespace {
constexpr std::chrono::seconds kLookAtRights{1};
}

/// The connection ends rather than the rooms: whoever it was comes back by itself as who it is now, with the rooms of
/// that.
asio::awaitable<void> Service::State::watch_rights() {
  const auto self = shared_from_this();
  while (true) {
    co_await rights.wait_for(kLookAtRights);
    rights.reset();
    std::map<std::string, std::pair<Who, std::vector<MemberRef>>> people;
    for (const auto& [socket, member] : members) {
      if (member->who->access.empty()) continue;
      auto& [who, theirs] = people[member->who->access + " " + member->who->owner()];
      who = member->who;
      theirs.push_back(member);
    }
    for (const auto& [access, entry] : people) {
      // What the router asks after a long answer: whether who asked may still have it.
      http::Response nothing;
      const auto good = co_await parts.identity.watch(entry.first, nothing);
      if (good) continue;
      for (const auto& member : entry.second) {
        if (member->socket->connected()) member->socket->channel().close("rights");
      }
    }
  }
}

}  // namespace tiltyard::realtime
