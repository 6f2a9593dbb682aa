#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/bus.h"
#include "bus/kinds.h"
#include "realtime/realtime.h"

namespace soci {
class session;
}

namespace tiltyard::realtime {

/// How much of the two sequences somebody has seen: the event log, and what was said in rooms of people.
struct Position {
  long long log = 0, talk = 0;
  bool operator==(const Position&) const = default;
};
Position later(const Position& left, const Position& right);

/// "EPOCH.LOG.TALK": what clients keep and bring back. The epoch is the database's: numbers of another one mean nothing
/// here.
std::string offset_text(const std::string& epoch, const Position& at);
/// nullopt: no offset, or of another epoch.
std::optional<Position> parse_offset(std::string_view text, std::string_view epoch);

struct Logged {
  long long seq = 0;
  bus::Event event;
};

struct Said {
  long long seq = 0;
  std::string room;  ///< kind and key
  std::string sender, name;
  std::string role;  ///< the sender's when it was said; empty: it is from before roles were kept
  TimePoint at{};
  std::string body;
};

/// A room that a session was in, and from where on it had the room's news.
struct KeptRoom {
  std::string name, key;  ///< as the client names it; what admit made of it
  Position from;
};

namespace sql {

/// The database's epoch, made with the first call.
std::string epoch(soci::session& sql, const std::string& fresh);
/// Where both sequences end.
Position ends(soci::session& sql);
/// What is new, in order, at most `limit` of each.
struct News {
  std::vector<Logged> logged;
  std::vector<Said> said;
};
News news_after(soci::session& sql, const bus::Kinds& kinds, Position after, int limit);

/// What a room's part of the log has in (after, until]; nullopt when some of it is gone or it is more than `limit`.
std::optional<std::vector<Logged>> logged_between(soci::session& sql, const bus::Kinds& kinds, const LogFilter& filter,
                                                  long long after, long long until, int limit);
std::optional<std::vector<Said>> said_between(soci::session& sql, const std::string& room, long long after,
                                              long long until, int limit);
/// The newest of a room until `until`, the oldest first.
std::vector<Said> last_said(soci::session& sql, const std::string& room, long long until, int limit);
/// Numbers and keeps it; of the room's messages the newest `keep` stay.
Said say(soci::session& sql, Said said, std::size_t keep);

void keep_session(soci::session& sql, const std::string& pid, const std::string& user, const std::string& rooms,
                  TimePoint now);
/// The rooms of a session of `user`; nullopt: there is none.
std::optional<std::string> kept_session(soci::session& sql, const std::string& pid, const std::string& user);

}  // namespace sql

std::string rooms_json(const std::vector<KeptRoom>& rooms);
std::vector<KeptRoom> rooms_of(const std::string& text);

}  // namespace tiltyard::realtime
