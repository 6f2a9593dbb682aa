// Members and the rooms they are in.
#include "realtime/rooms.h"

#include <boost/json.hpp>

#include "base/json.h"
#include "observe/log.h"

namespace tiltyard::realtime {
namespace {

using socket_io::SocketRef;

constexpr std::size_t kLongestName = 120;
constexpr int kMostTurns = 8;  ///< of catching up with news that comes while we look

json::object refusal(const Error& error) {
  json::object why{{"reason", error.reason}, {"message", error.message}};
  for (const auto& [key, value] : error.fields) why[key] = value;
  return {{"ok", false}, {"error", std::move(why)}};
}

const json::value& value_at(const json::array& values, std::size_t place) {
  static const json::value nothing;
  return place < values.size() ? values[place] : nothing;
}

}  // namespace

std::vector<KeptRoom> Member::kept() const {
  std::vector<KeptRoom> out;
  for (const auto& [name, place] : rooms) out.push_back({name, place.room->key, place.from});
  return out;
}

/// "name" or "name:rest"; the kind, or null.
const RoomKind* Service::State::kind_of(const std::string& name, std::string& rest) const {
  const auto colon = name.find(':');
  const auto found = kinds.find(name.substr(0, colon));
  if (found == kinds.end() || name.size() > kLongestName) return nullptr;
  rest = colon == std::string::npos ? std::string() : name.substr(colon + 1);
  return &found->second;
}

RoomRef Service::State::enter(const MemberRef& member, const RoomKind& kind, const KeptRoom& kept) {
  auto& room = rooms[Room::id_of(kind, kept.name, kept.key)];
  if (!room) {
    room = std::make_shared<Room>();
    room->kind = &kind;
    room->name = kept.name;
    room->key = kept.key;
  }
  member->rooms.insert_or_assign(kept.name, Member::Place{room, kept.from});
  room->audience.add(&member->socket->channel());
  if (kind.talk) here(*room, *member, true);
  if (kind.pace.count() > 0 && !figures_shown) {
    figures_shown = true;
    gate.spawn(parts.home, "figures", show_figures());
  }
  return room;
}

void Service::State::part(const MemberRef& member, RoomRef room) {
  member->rooms.erase(room->name);
  room->audience.remove(&member->socket->channel());
  if (room->kind->talk) here(*room, *member, false);
  if (room->audience.empty()) rooms.erase(room->id());
}

void Service::State::on_connected(SocketRef socket) {
  const auto member = members.at(socket.get());
  const auto found = arriving.find(socket.get());
  if (found == arriving.end()) return;
  const auto back = found->second;
  arriving.erase(found);
  std::vector<RoomRef> figures;
  for (const auto& kept : back->rooms) {
    std::string rest;
    const auto* kind = kind_of(kept.name, rest);
    auto room = enter(member, *kind, kept);
    if (!kind->history && !kind->talk) figures.push_back(std::move(room));
  }
  send_missed(*member, std::move(back->missed));
  // Where only the present counts, the present is what was missed.
  for (auto& room : figures) {
    room->shown.clear();
    gate.spawn(parts.home, "a snapshot", show(std::move(room)));
  }
}

void Service::State::on_gone(SocketRef socket, std::string_view) {
  arriving.erase(socket.get());
  const auto found = members.find(socket.get());
  if (found == members.end()) return;
  const auto member = found->second;
  members.erase(found);
  while (!member->rooms.empty()) part(member, member->rooms.begin()->second.room);
  const auto count = per_user.find(member->who->user.str());
  if (count != per_user.end() && --count->second == 0) per_user.erase(count);
}

asio::awaitable<void> Service::State::on_event(SocketRef socket, socket_io::Event event) {
  const auto self = shared_from_this();
  const auto found = members.find(socket.get());
  if (found == members.end()) co_return;
  const auto member = found->second;
  auto done = co_await act(member, std::move(event.name), std::move(event.arguments));
  if (!event.acknowledge) co_return;
  json::object answer = done ? std::move(*done) : refusal(done.error());
  if (done) answer["ok"] = true;
  auto after = answer.if_contains("missed");
  json::array late = after != nullptr ? std::move(after->get_array()) : json::array();
  answer.erase("missed");
  event.acknowledge({{std::move(answer)}});
  for (auto& packet : late) socket->emit({std::move(packet.get_array())});
}

asio::awaitable<Result<json::object>> Service::State::act(MemberRef member, std::string verb,
                                                          socket_io::Arguments arguments) {
  const auto& values = arguments.values;
  const auto name = text_of(value_at(values, 0));
  if (verb == "say") co_return co_await say(member, name, text_of(value_at(values, 1), "text"));
  auto charged = co_await parts.limits.charge("realtime-act", caller_of(*member));
  if (!charged) co_return fail(std::move(charged.error()));
  if (verb == "join") co_return co_await join(member, name, text_of(value_at(values, 1), "since"));
  if (verb == "leave") co_return co_await leave(member, name);
  co_return fail(Code::kInvalid, "event-unknown", "There is no such event; this server knows join, leave and say.");
}

/// Written before anybody is told, so that whoever was told is found again.
asio::awaitable<Result<>> Service::State::keep(MemberRef member, std::vector<KeptRoom> kept) {
  auto work = [pid = member->pid, user = member->who->user.str(), text = rooms_json(kept),
               now = parts.clock.now()](soci::session& session) -> Result<> {
    sql::keep_session(session, pid, user, text, now);
    return {};
  };
  co_return co_await parts.store.write(std::move(work));
}

asio::awaitable<Result<json::object>> Service::State::join(MemberRef member, std::string name, std::string since) {
  std::string rest;
  const auto* kind = kind_of(name, rest);
  if (kind == nullptr) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  const bool again = member->rooms.contains(name);
  if (!again && member->rooms.size() >= options.rooms_per_connection) {
    co_return fail(Code::kLimited, "limit-reached", "You are in as many rooms as one connection may be; leave one.");
  }
  auto key = co_await kind->admit(*member->who, std::move(rest));
  if (!key) co_return fail(std::move(key.error()));
  Recovered found;
  const auto offset = parse_offset(since, epoch);
  const bool lasting = static_cast<bool>(kind->history) || kind->talk;
  const bool recovered = lasting && offset && co_await reaches(*offset);
  const Position now = at;
  found.upto = recovered ? *offset : now;
  found.rooms.push_back({name, *key, found.upto});
  json::value snapshot;
  json::array said;
  if (!recovered && kind->snapshot) {
    auto seen = co_await kind->snapshot(*key);
    if (!seen) co_return fail(std::move(seen.error()));
    snapshot = std::move(*seen);
  }
  if (!recovered && kind->talk) {
    auto words = co_await last_words(kind, *key, now.talk);
    if (!words) co_return fail(std::move(words.error()));
    said = std::move(*words);
  }
  if (!again) {
    auto kept = member->kept();
    kept.push_back(found.rooms.front());
    auto written = co_await keep(member, std::move(kept));
    if (!written) co_return fail(std::move(written.error()));
  }
  bool complete = true;
  if (lasting) {
    for (int turn = 0; complete && found.upto != later(found.upto, at); ++turn) {
      complete = turn < kMostTurns && co_await catch_up(&found);
    }
  }
  if (!complete) {
    // Too much, or gone: without the past, as it is said honestly.
    if (since.empty()) co_return fail(Code::kUnavailable, "busy", "Too much happens at the moment; try again.");
    co_return co_await join(member, std::move(name), "");
  }
  if (!member->socket->connected()) co_return fail(Code::kCancelled, "closed", "The client has gone.");
  auto room = again ? member->rooms.at(name).room : enter(member, *kind, found.rooms.front());
  json::object answer{
      {"room", name}, {"recovered", recovered}, {"offset", offset_text(epoch, found.rooms.front().from)}};
  if (!recovered && kind->snapshot) answer["snapshot"] = std::move(snapshot);
  if (!recovered && kind->talk) answer["messages"] = std::move(said);
  if (kind->talk) answer["people"] = people_of(*room);
  json::array late;
  for (auto& one : found.missed)
    late.push_back(json::array{one.kind->event, std::move(one.news), offset_text(epoch, one.at)});
  answer["missed"] = std::move(late);
  co_return answer;
}

asio::awaitable<Result<json::object>> Service::State::leave(MemberRef member, std::string name) {
  const auto found = member->rooms.find(name);
  if (found == member->rooms.end()) co_return fail(Code::kNotFound, "room-unknown", "You are not in this room.");
  part(member, found->second.room);
  auto written = co_await keep(member, member->kept());
  if (!written) co_return fail(std::move(written.error()));
  co_return json::object{{"room", name}};
}

}  // namespace tiltyard::realtime
