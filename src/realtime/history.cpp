#include "realtime/history.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

namespace tiltyard::realtime {
namespace {

using soci::into;
using soci::use;

constexpr std::chrono::hours kSessionKept{72};
constexpr int kSessionsPerUser = 64;
/// So that not every message of a full room deletes one.
constexpr std::size_t kTrimSlack = 64;

}  // namespace

std::vector<store::Migration> migrations() {
  return {{650, "rooms",
           "CREATE TABLE realtime_epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL);\n"
           "CREATE TABLE talk_sequence (id INTEGER PRIMARY KEY CHECK (id = 1), last BIGINT NOT NULL);\n"
           "INSERT INTO talk_sequence (id, last) VALUES (1, 0);\n"
           "CREATE TABLE talk (seq BIGINT PRIMARY KEY, room TEXT NOT NULL, sender TEXT NOT NULL, name TEXT NOT NULL, "
           "at BIGINT NOT NULL, body TEXT NOT NULL);\n"
           "CREATE INDEX talk_room ON talk (room, seq);\n"
           "CREATE TABLE talk_rooms (room TEXT PRIMARY KEY, kept BIGINT NOT NULL, trimmed BIGINT NOT NULL);\n"
           "CREATE TABLE realtime_sessions (pid TEXT PRIMARY KEY, user_id TEXT NOT NULL, rooms TEXT NOT NULL, at "
           "BIGINT NOT NULL);\n"
           "CREATE INDEX realtime_sessions_user ON realtime_sessions (user_id, at);\n"
           "CREATE INDEX realtime_sessions_at ON realtime_sessions (at)"},
          {"roles in talk", "ALTER TABLE talk ADD COLUMN role TEXT NOT NULL DEFAULT ''"}};
}

Position later(const Position& left, const Position& right) {
  return {std::max(left.log, right.log), std::max(left.talk, right.talk)};
}

std::string offset_text(const std::string& epoch, const Position& at) {
  return fmt::format("{}.{}.{}", epoch, at.log, at.talk);
}

std::optional<Position> parse_offset(std::string_view text, std::string_view epoch) {
  if (text.size() > epoch.size() + 42 || !text.starts_with(epoch) || !text.substr(epoch.size()).starts_with('.'))
    return std::nullopt;
  const char* const end = text.data() + text.size();
  Position at;
  const auto log = std::from_chars(text.data() + epoch.size() + 1, end, at.log);
  if (log.ec != std::errc{} || log.ptr == end || *log.ptr != '.') return std::nullopt;
  const auto talk = std::from_chars(log.ptr + 1, end, at.talk);
  if (talk.ec != std::errc{} || talk.ptr != end || at.log < 0 || at.talk < 0) return std::nullopt;
  return at;
}

namespace sql {

std::string epoch(soci::session& sql, const std::string& fresh) {
  sql << "INSERT INTO realtime_epoch (id, epoch) VALUES (1, :epoch) ON CONFLICT (id) DO NOTHING", use(fresh, "epoch");
  std::string kept;
  sql << "SELECT epoch FROM realtime_epoch WHERE id = 1", into(kept);
  return kept;
}

Position ends(soci::session& sql) {
  Position at;
  sql << "SELECT last FROM event_sequence WHERE id = 1", into(at.log);
  sql << "SELECT last FROM talk_sequence WHERE id = 1", into(at.talk);
  return at;
}

namespace {

/// Both queries select these.
struct LoggedRow {
  Logged row;
  std::string kind;
  long long at = 0;

  Logged take(const bus::Kinds& kinds) {
    row.event.kind = kinds.of(kind);
    row.event.at = from_micros(at);
    return row;
  }
};

constexpr const char* kLoggedColumns =
    "SELECT seq, kind, subject, owner, actor, actor_id, address, at, detail FROM events ";

std::vector<Said> fetch_said(soci::statement& query, Said& row, long long& at) {
  std::vector<Said> out;
  for (bool more = query.execute(true); more; more = query.fetch()) {
    row.at = from_micros(at);
    out.push_back(row);
  }
  return out;
}

}  // namespace

News news_after(soci::session& sql, const bus::Kinds& kinds, Position after, int limit) {
  News news;
  LoggedRow one;
  auto& event = one.row.event;
  soci::statement log =
      (sql.prepare << std::string(kLoggedColumns) + "WHERE seq > :seq ORDER BY seq LIMIT :limit", use(after.log, "seq"),
       use(limit, "limit"), into(one.row.seq), into(one.kind), into(event.subject), into(event.owner),
       into(event.actor.name), into(event.actor.id), into(event.actor.address), into(one.at), into(event.detail));
  for (bool more = log.execute(true); more; more = log.fetch()) news.logged.push_back(one.take(kinds));
  Said said;
  long long at = 0;
  soci::statement talk =
      (sql.prepare
           << "SELECT seq, room, sender, name, role, at, body FROM talk WHERE seq > :seq ORDER BY seq LIMIT :limit",
       use(after.talk, "seq"), use(limit, "limit"), into(said.seq), into(said.room), into(said.sender), into(said.name),
       into(said.role), into(at), into(said.body));
  news.said = fetch_said(talk, said, at);
  return news;
}

std::optional<std::vector<Logged>> logged_between(soci::session& sql, const bus::Kinds& declared,
                                                  const LogFilter& filter, long long after, long long until,
                                                  int limit) {
  long long first = 0, last = 0;
  soci::indicator empty = soci::i_ok;
  sql << "SELECT MIN(seq) FROM events", into(first, empty);
  sql << "SELECT last FROM event_sequence WHERE id = 1", into(last);
  if (empty == soci::i_null) first = last + 1;
  // What lies ahead of the log was not written by it, and what its beginning has lost nobody knows.
  if (after > last || after + 1 < first) return std::nullopt;
  const std::string kinds = filter.kinds + "%";
  const int one_more = limit + 1;
  LoggedRow one;
  auto& event = one.row.event;
  // An index leads to an owner's events; without one the log itself is read, from `after` on.
  const std::string query = std::string(kLoggedColumns) + "WHERE seq > :after AND seq <= :until AND kind LIKE :kinds " +
                            (filter.owner.empty() ? "AND :owner = '' " : "AND owner = :owner ") +
                            "ORDER BY seq LIMIT :limit";
  soci::statement log =
      (sql.prepare << query, use(after, "after"), use(until, "until"), use(kinds, "kinds"), use(filter.owner, "owner"),
       use(one_more, "limit"), into(one.row.seq), into(one.kind), into(event.subject), into(event.owner),
       into(event.actor.name), into(event.actor.id), into(event.actor.address), into(one.at), into(event.detail));
  std::vector<Logged> out;
  for (bool more = log.execute(true); more; more = log.fetch()) out.push_back(one.take(declared));
  if (out.size() > static_cast<std::size_t>(limit)) return std::nullopt;
  return out;
}

std::optional<std::vector<Said>> said_between(soci::session& sql, const std::string& room, long long after,
                                              long long until, int limit) {
  long long trimmed = 0, last = 0;
  sql << "SELECT trimmed FROM talk_rooms WHERE room = :room", use(room, "room"), into(trimmed);
  sql << "SELECT last FROM talk_sequence WHERE id = 1", into(last);
  if (after > last || after < trimmed) return std::nullopt;
  Said said;
  long long at = 0;
  const int one_more = limit + 1;
  soci::statement query =
      (sql.prepare
           << "SELECT seq, room, sender, name, role, at, body FROM talk WHERE room = :room AND seq > :after AND seq "
              "<= :until "
              "ORDER BY seq LIMIT :limit",
       use(room, "room"), use(after, "after"), use(until, "until"), use(one_more, "limit"), into(said.seq),
       into(said.room), into(said.sender), into(said.name), into(said.role), into(at), into(said.body));
  auto out = fetch_said(query, said, at);
  if (out.size() > static_cast<std::size_t>(limit)) return std::nullopt;
  return out;
}

std::vector<Said> last_said(soci::session& sql, const std::string& room, long long until, int limit) {
  Said said;
  long long at = 0;
  soci::statement query =
      (sql.prepare << "SELECT seq, room, sender, name, role, at, body FROM talk WHERE room = :room AND seq <= :until "
                      "ORDER BY seq DESC LIMIT :limit",
       use(room, "room"), use(until, "until"), use(limit, "limit"), into(said.seq), into(said.room), into(said.sender),
       into(said.name), into(said.role), into(at), into(said.body));
  auto out = fetch_said(query, said, at);
  std::ranges::reverse(out);
  return out;
}

/// The one row of `talk_sequence` is held until the commit, so that numbers become visible in their order (as in the
/// event log).
Said say(soci::session& sql, Said said, std::size_t keep) {
  sql << "UPDATE talk_sequence SET last = last + 1 WHERE id = 1";
  sql << "SELECT last FROM talk_sequence WHERE id = 1", into(said.seq);
  const long long at = to_micros(said.at);
  sql << "INSERT INTO talk (seq, room, sender, name, role, at, body) VALUES (:seq, :room, :sender, :name, :role, :at, "
         ":body)",
      use(said.seq, "seq"), use(said.room, "room"), use(said.sender, "sender"), use(said.name, "name"),
      use(said.role, "role"), use(at, "at"), use(said.body, "body");
  sql << "INSERT INTO talk_rooms (room, kept, trimmed) VALUES (:room, 1, 0) ON CONFLICT (room) DO UPDATE SET kept = "
         "talk_rooms.kept + 1",
      use(said.room, "room");
  long long kept = 0;
  sql << "SELECT kept FROM talk_rooms WHERE room = :room", use(said.room, "room"), into(kept);
  const auto most = static_cast<long long>(keep), slack = static_cast<long long>(std::min(keep, kTrimSlack));
  if (kept <= most + slack) return said;
  long long last_gone = 0;
  sql << "SELECT seq FROM talk WHERE room = :room ORDER BY seq DESC LIMIT 1 OFFSET :most", use(said.room, "room"),
      use(most, "most"), into(last_gone);
  sql << "DELETE FROM talk WHERE room = :room AND seq <= :seq", use(said.room, "room"), use(last_gone, "seq");
  sql << "UPDATE talk_rooms SET kept = :most, trimmed = :seq WHERE room = :room", use(most, "most"),
      use(last_gone, "seq"), use(said.room, "room");
  return said;
}

void keep_session(soci::session& sql, const std::string& pid, const std::string& user, const std::string& rooms,
                  TimePoint now) {
  const long long at = to_micros(now), old = to_micros(now - kSessionKept);
  sql << "INSERT INTO realtime_sessions (pid, user_id, rooms, at) VALUES (:pid, :user, :rooms, :at) "
         "ON CONFLICT (pid) DO UPDATE SET rooms = EXCLUDED.rooms, at = EXCLUDED.at",
      use(pid, "pid"), use(user, "user"), use(rooms, "rooms"), use(at, "at");
  sql << "DELETE FROM realtime_sessions WHERE at < :old", use(old, "old");
  long long newest_gone = 0;
  const int most = kSessionsPerUser;
  sql << "SELECT at FROM realtime_sessions WHERE user_id = :user ORDER BY at DESC LIMIT 1 OFFSET :most",
      use(user, "user"), use(most, "most"), into(newest_gone);
  if (sql.got_data())
    sql << "DELETE FROM realtime_sessions WHERE user_id = :user AND at <= :at", use(user, "user"),
        use(newest_gone, "at");
}

std::optional<std::string> kept_session(soci::session& sql, const std::string& pid, const std::string& user) {
  std::string rooms;
  sql << "SELECT rooms FROM realtime_sessions WHERE pid = :pid AND user_id = :user", use(pid, "pid"), use(user, "user"),
      into(rooms);
  if (!sql.got_data()) return std::nullopt;
  return rooms;
}

}  // namespace sql

std::string rooms_json(const std::vector<KeptRoom>& rooms) {
  json::array out;
  for (const auto& room : rooms) out.push_back(json::array{room.name, room.key, room.from.log, room.from.talk});
  return json::serialize(out);
}

std::vector<KeptRoom> rooms_of(const std::string& text) {
  std::vector<KeptRoom> out;
  for (const auto& item : json::parse(text).as_array()) {
    const auto& room = item.as_array();
    out.push_back({std::string(room.at(0).as_string()),
                   std::string(room.at(1).as_string()),
                   {room.at(2).to_number<long long>(), room.at(3).to_number<long long>()}});
  }
  return out;
}

}  // namespace tiltyard::realtime
