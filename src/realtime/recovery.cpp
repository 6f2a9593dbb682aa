// Connection-state recovery: a client that comes back with {pid, offset} gets its rooms and exactly what they have had
// meanwhile, or nothing and is told so (docs of socket.io, "Connection state recovery").
#include <boost/json.hpp>

#include <algorithm>

#include "observe/log.h"
#include "observe/metrics.h"
#include "realtime/measures.h"
#include "realtime/rooms.h"

namespace tiltyard::realtime {
namespace {

constexpr int kMostMissed = 1000;  ///< events; who has missed more is better served with a snapshot
constexpr int kMostRounds = 8;
/// How long a client waits for this node to have read what another one has told it: longer than the log goes unread.
constexpr std::chrono::milliseconds kReachWithin{1500}, kReachStep{10};

void count(bool recovered) {
  static const auto yes = metrics::counter(measures::kRecoveries, {"true"});
  static const auto no = metrics::counter(measures::kRecoveries, {"false"});
  (recovered ? yes : no).add();
}

/// What the log and the talk have for some rooms; nullopt in it: not complete any more.
struct Past {
  std::vector<std::pair<std::size_t, Logged>> logged;
  std::vector<std::pair<std::size_t, Said>> said;
};

struct Wanted {
  std::optional<LogFilter> log;
  std::optional<std::string> talk;
  Position from;
};

std::optional<Past> read_past(soci::session& session, const bus::Kinds& kinds, const std::vector<Wanted>& wanted,
                              Position until) {
  Past past;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& one = wanted[i];
    if (one.log) {
      auto rows = sql::logged_between(session, kinds, *one.log, one.from.log, until.log, kMostMissed);
      if (!rows) return std::nullopt;
      for (auto& row : *rows) past.logged.emplace_back(i, std::move(row));
    }
    if (one.talk) {
      auto rows = sql::said_between(session, *one.talk, one.from.talk, until.talk, kMostMissed);
      if (!rows) return std::nullopt;
      for (auto& row : *rows) past.said.emplace_back(i, std::move(row));
    }
    if (past.logged.size() + past.said.size() > static_cast<std::size_t>(kMostMissed)) return std::nullopt;
  }
  const auto place = [](const auto& entry) { return std::pair(entry.second.seq, entry.first); };
  std::ranges::sort(past.logged, {}, place);
  std::ranges::sort(past.said, {}, place);
  return past;
}

}  // namespace

/// The outer error: the store does not answer. Everything of `rooms` after their positions, until `until`.
asio::awaitable<Result<std::optional<std::vector<Missed>>>> Service::State::missed_by(std::vector<KeptRoom> rooms,
                                                                                      Position until) {
  std::vector<Wanted> wanted;
  std::vector<const RoomKind*> of;
  Position least = until;
  for (const auto& room : rooms) {
    std::string rest;
    const auto* kind = kind_of(room.name, rest);
    of.push_back(kind);
    auto& one = wanted.emplace_back();
    one.from = room.from;
    if (kind->history) one.log = kind->history(room.key);
    if (kind->talk) one.talk = Room::talk_id(*kind, room.key);
    least = {std::min(least.log, room.from.log), std::min(least.talk, room.from.talk)};
  }
  auto work = [&kinds = parts.kinds, wanted = std::move(wanted),
               until](soci::session& session) -> Result<std::optional<Past>> {
    return read_past(session, kinds, wanted, until);
  };
  auto past = co_await parts.store.read(std::move(work));
  if (!past) co_return fail(std::move(past.error()));
  if (!*past) co_return std::optional<std::vector<Missed>>();
  std::vector<Missed> out;
  // What was said comes after what happened, so the offset of what happened stands before all of it.
  for (auto& [place, logged] : (*past)->logged) {
    const auto* kind = of[place];
    const auto keys = kind->places(logged.event);
    if (std::ranges::find(keys, rooms[place].key) == keys.end()) continue;
    auto told = co_await kind->news(logged.event, rooms[place].key, logged.seq);
    if (!told) continue;
    (*told)["room"] = rooms[place].name;
    out.push_back({{logged.seq, least.talk}, kind, std::move(*told)});
  }
  for (auto& [place, said] : (*past)->said) {
    auto told = said_json(said);
    told["room"] = rooms[place].name;
    out.push_back({{until.log, said.seq}, of[place], std::move(told)});
  }
  co_return out;
}

/// One more look: from where we are to where the node is. False: some of it is gone.
asio::awaitable<bool> Service::State::catch_up(Recovered* found) {
  auto rooms = found->rooms;
  for (auto& room : rooms) room.from = later(room.from, found->upto);
  const Position until = later(at, found->upto);
  auto missed = co_await missed_by(std::move(rooms), until);
  if (!missed || !*missed) co_return false;
  std::ranges::move(**missed, std::back_inserter(found->missed));
  found->upto = until;
  co_return found->missed.size() <= static_cast<std::size_t>(kMostMissed);
}

/// Whether this node has told everything until `wanted`, or does so in a moment: another node may have read further.
asio::awaitable<bool> Service::State::reaches(Position wanted) {
  if (later(wanted, at) == at) co_return true;
  auto read = [](soci::session& session) -> Result<Position> { return sql::ends(session); };
  const auto ends = co_await parts.store.read(std::move(read));
  if (!ends || later(wanted, *ends) != *ends) co_return false;
  const auto end = std::chrono::steady_clock::now() + kReachWithin;
  news.set();
  while (later(wanted, at) != at && std::chrono::steady_clock::now() < end) co_await sleep_for(kReachStep);
  co_return later(wanted, at) == at;
}

asio::awaitable<std::optional<Recovered>> Service::State::recover(Who who, std::string pid, std::string offset) {
  auto read = [pid, user = who->user.str()](soci::session& session) -> Result<std::optional<std::string>> {
    return sql::kept_session(session, pid, user);
  };
  auto kept = co_await parts.store.read(std::move(read));
  const auto seen = parse_offset(offset, epoch);
  const bool foreign = !offset.empty() && !seen;
  if (!kept || !*kept || foreign) {
    count(false);
    co_return std::nullopt;
  }
  Recovered found;
  found.rooms = rooms_of(**kept);
  // Without an offset nothing was told to it since it joined.
  found.upto = seen.value_or(Position{});
  bool good = co_await reaches(found.upto);
  for (auto& room : found.rooms) {
    room.from = later(room.from, found.upto);
    std::string rest;
    const auto* kind = kind_of(room.name, rest);
    good = good && kind != nullptr;
    if (!good) break;
    const auto key = co_await kind->admit(*who, std::move(rest));
    good = key && *key == room.key;
  }
  // Until nothing came while we looked; from there to on_connected nothing else runs.
  if (good) good = co_await catch_up(&found);
  for (int turn = 0; good && found.upto != at; ++turn) good = turn < kMostRounds && co_await catch_up(&found);
  count(good);
  if (!good) co_return std::nullopt;
  co_return found;
}

void Service::State::send_missed(Member& member, std::vector<Missed> missed) {
  for (auto& one : missed) member.socket->emit({{one.kind->event, std::move(one.news), offset_text(epoch, one.at)}});
}

}  // namespace tiltyard::realtime
