// What happens, told to those who are in its rooms: the event log and the talk are followed in their order, so that
// "told until here" is one position for all clients of the node.
#include <boost/json.hpp>

#include <algorithm>

#include "observe/log.h"
#include "realtime/rooms.h"

namespace tiltyard::realtime {
namespace {

constexpr int kAtOnce = 500;                   ///< rows of each sequence in one look
constexpr std::chrono::seconds kLookEvery{1};  ///< for what nobody has told us of
constexpr std::chrono::milliseconds kFigureStep{50};

}  // namespace

asio::awaitable<void> Service::State::follow() {
  const auto self = shared_from_this();
  bool told = false;
  while (true) {
    news.reset();
    if (std::exchange(nudged, false)) publish({{"news", true}});
    auto work = [&kinds = parts.kinds, after = at](soci::session& session) -> Result<sql::News> {
      return sql::news_after(session, kinds, after, kAtOnce);
    };
    auto fresh = co_await parts.store.read(std::move(work));
    if (!fresh) {
      if (!std::exchange(told, true))
        log::warn("realtime", "the event log cannot be read; news comes late",
                  {{"reason", fresh.error().reason}, {"cause", fresh.error().cause}});
      co_await sleep_for(kLookEvery);
      continue;
    }
    told = false;
    for (auto& logged : fresh->logged) co_await tell_logged(std::move(logged));
    for (const auto& said : fresh->said) tell_said(said);
    const bool more = fresh->logged.size() == kAtOnce || fresh->said.size() == kAtOnce;
    if (!more) co_await news.wait_for(kLookEvery);
  }
}

std::vector<RoomRef> Service::State::rooms_of_key(const RoomKind& kind, const std::string& key) const {
  std::vector<RoomRef> out;
  const auto prefix = Room::talk_id(kind, key) + "|";
  for (auto it = rooms.lower_bound(prefix); it != rooms.end() && it->first.starts_with(prefix); ++it)
    out.push_back(it->second);
  return out;
}

/// The rooms that an event belongs to and that somebody of ours is in.
std::vector<Service::State::Told> Service::State::concerned(const bus::Event& event) const {
  std::vector<Told> out;
  for (const auto& [name, kind] : kinds) {
    if (!kind.places) continue;
    for (auto& key : kind.places(event)) {
      if (!rooms_of_key(kind, key).empty()) out.push_back({&kind, std::move(key), {}});
    }
  }
  return out;
}

asio::awaitable<std::vector<Service::State::Told>> Service::State::news_of(bus::Event event, long long seq) {
  auto told = concerned(event);
  for (auto& one : told) {
    auto made = co_await one.kind->news(event, one.key, seq);
    if (made) one.news = std::move(*made);
  }
  std::erase_if(told, [](const Told& one) { return one.news.empty(); });
  co_return told;
}

void Service::State::send_all(const std::vector<Told>& told, const std::string& offset) {
  for (const auto& one : told) {
    for (const auto& room : rooms_of_key(*one.kind, one.key)) send(*room, one.kind->event, one.news, offset);
  }
}

void Service::State::send(Room& room, std::string_view event, json::object told, const std::string& offset) {
  told["room"] = room.name;
  json::array values{event, std::move(told)};
  if (!offset.empty()) values.emplace_back(offset);
  room.audience.send(socket_io::encode_event("/", std::move(values)));
}

/// All that takes time comes first; then everybody is told and the position moves, in one go.
asio::awaitable<void> Service::State::tell_logged(Logged logged) {
  if (logged.event.kind->touches == bus::Touches::kRights) rights.set();
  const auto told = co_await news_of(std::move(logged.event), logged.seq);
  send_all(told, offset_text(epoch, {logged.seq, at.talk}));
  at.log = logged.seq;
}

void Service::State::tell_said(const Said& said) {
  at.talk = said.seq;
  const auto bar = said.room.find('|');
  const auto kind = kinds.find(said.room.substr(0, bar));
  if (kind == kinds.end() || bar == std::string::npos) return;
  for (const auto& room : rooms_of_key(kind->second, said.room.substr(bar + 1)))
    send(*room, kind->second.event, said_json(said), offset_text(epoch, at));
}

/// What is in the log comes from there; the bus only says that it is time to look. What is not, passes.
void Service::State::tell_passing(const bus::Event& event) {
  if (event.kind->rows != bus::Rows::kNone) return nudge();
  publish({{"passing",
            {{"kind", event.kind->name},
             {"subject", event.subject},
             {"owner", event.owner},
             {"at", to_micros(event.at)}}}});
  if (!concerned(event).empty()) gate.spawn(parts.home, "passing news", tell_passing_later(event));
}

asio::awaitable<void> Service::State::tell_passing_later(bus::Event event) {
  const auto self = shared_from_this();
  const auto told = co_await news_of(std::move(event), 0);
  send_all(told, "");
}

/// Runs while somebody is in a room of figures.
asio::awaitable<void> Service::State::show_figures() {
  const auto self = shared_from_this();
  while (true) {
    std::vector<RoomRef> due;
    bool any = false;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& [id, room] : rooms) {
      if (room->kind->pace.count() == 0) continue;
      any = true;
      if (room->due <= now) due.push_back(room);
    }
    if (!any) break;
    for (const auto& room : due) {
      room->due = now + room->kind->pace;
      co_await show(room);
    }
    co_await sleep_for(kFigureStep);
  }
  figures_shown = false;
}

asio::awaitable<void> Service::State::show(RoomRef room) {
  const auto self = shared_from_this();
  if (!room->kind->snapshot) co_return;
  auto seen = co_await room->kind->snapshot(room->key);
  if (!seen) {
    log::debug("realtime", "no snapshot", {{"room", room->name}, {"reason", seen.error().reason}});
    co_return;
  }
  auto text = json::serialize(*seen);
  if (text == room->shown) co_return;
  room->shown = std::move(text);
  send(*room, "snapshot", json::object{{"snapshot", std::move(*seen)}}, "");
}

}  // namespace tiltyard::realtime
