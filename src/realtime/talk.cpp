// Rooms of people: who is there, and what they say.
#include <boost/json.hpp>

#include <algorithm>

#include "realtime/rooms.h"

namespace tiltyard::realtime {
namespace {

constexpr std::size_t kLongestText = 2000;  ///< bytes
constexpr int kShownAtFirst = 50;

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

json::object person_json(const std::string& id, const Person& person) {
  // Words from before roles were kept have none.
  json::value role = person.role.empty() ? json::value(nullptr) : json::value(json::string(person.role));
  return {{"id", id}, {"name", person.name}, {"role", std::move(role)}};
}

Person person_of(const Who& who) { return {who->name, std::string(identity::to_string(who->role))}; }

json::object said_json(const Said& said) {
  return {{"id", std::to_string(said.seq)},
          {"from", person_json(said.sender, {said.name, said.role})},
          {"at", to_rfc3339(said.at)},
          {"text", said.body}};
}

asio::awaitable<Result<json::object>> Service::State::say(MemberRef member, std::string name, std::string text) {
  const auto found = member->rooms.find(name);
  if (found == member->rooms.end())
    co_return fail(Code::kNotFound, "room-unknown", "You are not in this room; join it first.");
  const auto room = found->second.room;
  if (!room->kind->talk) co_return fail(Code::kConflict, "room-silent", "Nobody talks in this room.");
  if (blank(text) || text.size() > kLongestText)
    co_return fail(Code::kInvalid, "invalid-body", "A message has 1 to 2,000 bytes of text.");
  auto charged = co_await parts.limits.charge("chat-say", caller_of(*member));
  if (!charged) co_return fail(std::move(charged.error()));
  Said said;
  said.room = room->talk_id();
  said.sender = member->who->user.str();
  said.name = member->who->name;
  said.role = person_of(member->who).role;
  said.at = parts.clock.now();
  said.body = std::move(text);
  auto work = [said, keep = options.history](soci::session& session) -> Result<Said> {
    return sql::say(session, said, keep);
  };
  auto kept = co_await parts.store.write(std::move(work));
  if (!kept) co_return fail(std::move(kept.error()));
  nudge();
  co_return json::object{{"room", name}, {"id", std::to_string(kept->seq)}, {"at", to_rfc3339(kept->at)}};
}

asio::awaitable<Result<json::array>> Service::State::last_words(const RoomKind* kind, std::string key,
                                                                long long until) {
  auto work = [room = Room::talk_id(*kind, key), until](soci::session& session) -> Result<std::vector<Said>> {
    return sql::last_said(session, room, until, kShownAtFirst);
  };
  auto said = co_await parts.store.read(std::move(work));
  if (!said) co_return fail(std::move(said.error()));
  json::array out;
  for (const auto& one : *said) out.push_back(said_json(one));
  co_return out;
}

/// Somebody's first connection comes, or the last one goes: the others see it.
void Service::State::here(Room& room, const Member& member, bool comes) {
  const auto user = member.who->user.str();
  auto& present = room.people[user];
  present.person = person_of(member.who);
  const bool changed = comes ? present.connections++ == 0 : --present.connections == 0;
  if (!comes && changed) room.people.erase(user);
  if (!changed) return;
  people_changed.set();
  if (!is_elsewhere(room.talk_id(), user)) tell_presence(room, user, person_of(member.who), comes);
}

void Service::State::tell_presence(Room& room, const std::string& user, const Person& person, bool comes) {
  send(room, "presence", {{"user", person_json(user, person)}, {"here", comes}}, "");
}

json::array Service::State::people_of(const Room& room) const {
  std::map<std::string, Person> all;
  for (const auto& [user, present] : room.people) all.emplace(user, present.person);
  for (const auto& [name, other] : elsewhere) {
    const auto found = other.people.find(room.talk_id());
    if (found != other.people.end()) all.insert(found->second.begin(), found->second.end());
  }
  json::array out;
  for (const auto& [user, person] : all) out.push_back(person_json(user, person));
  return out;
}

}  // namespace tiltyard::realtime
