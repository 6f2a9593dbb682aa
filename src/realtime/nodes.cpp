// Several nodes on one database. The log and the talk are the truth that every node reads by itself; Redis only says
// that it is time to look, so that without it news is late and not lost. What is in no table (who is where, passing
// events) goes through Redis alone.
#include <boost/json.hpp>

#include "base/json.h"
#include "observe/log.h"
#include "realtime/rooms.h"

namespace tiltyard::realtime {
namespace {

/// How often each node tells who is there, and after how long without it a node is thought gone.
constexpr std::chrono::seconds kTellEvery{10};
constexpr std::chrono::seconds kForgetAfter{35};
constexpr std::chrono::milliseconds kTellAtMost{200};

}  // namespace

Result<> Service::State::connect_nodes() {
  if (options.redis.empty()) return {};
  bus::RedisOptions speaking;
  speaking.url = options.redis;
  auto opened = bus::Redis::open(parts.home, speaking);
  if (!opened) return fail(std::move(opened.error()));
  speaker = std::move(*opened);
  auto listening = speaking;
  listening.channel = options.prefix + ":realtime";
  listening.on_message = [this](std::string text) { hear(std::move(text)); };
  // Whatever was said while nobody listened is in the log.
  listening.on_connected = [this] {
    news.set();
    people_changed.set();
  };
  auto heard = bus::Redis::open(parts.home, std::move(listening));
  if (!heard) return fail(std::move(heard.error()));
  listener = std::move(*heard);
  gate.spawn(parts.home, "tell who is there", tell_people());
  return {};
}

/// Something was written: we look, and the others shall.
void Service::State::nudge() {
  nudged = true;
  news.set();
}

void Service::State::publish(json::object message) {
  if (!speaker || !speaker->connected()) return;
  message["node"] = node;
  gate.spawn(parts.home, "publish", publish_later(json::serialize(message)));
}

asio::awaitable<void> Service::State::publish_later(std::string text) {
  const auto self = shared_from_this();
  std::vector<std::string> words{"PUBLISH", options.prefix + ":realtime", std::move(text)};
  // Lost is late: the others look by themselves.
  const auto sent = co_await speaker->command(std::move(words));
  if (!sent) log::debug("realtime", "not published", {{"reason", sent.error().reason}});
}

void Service::State::hear(std::string text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  if (error || !value.is_object()) return;
  const auto& message = value.get_object();
  const auto from = text_of(message, "node");
  if (from.empty() || from == node) return;
  if (message.contains("news")) news.set();
  if (const auto* passing = message.if_contains("passing"); passing != nullptr && passing->is_object()) {
    bus::Event event;
    event.kind = parts.kinds.of(text_of(passing->get_object(), "kind"));
    event.subject = text_of(passing->get_object(), "subject");
    event.owner = text_of(passing->get_object(), "owner");
    event.at = parts.clock.now();
    if (!concerned(event).empty()) gate.spawn(parts.home, "passing news", tell_passing_later(std::move(event)));
  }
  if (const auto* people = message.if_contains("people"); people != nullptr && people->is_object())
    hear_people(from, people->get_object());
}

/// A node's whole picture replaces the one it gave before; our members see the difference.
void Service::State::hear_people(const std::string& from, json::object people) {
  if (!elsewhere.contains(from)) people_changed.set();  // a node that is new to us does not know ours yet
  Elsewhere now;
  now.heard = std::chrono::steady_clock::now();
  for (const auto& [room, users] : people) {
    if (!users.is_object()) continue;
    for (const auto& [user, person] : users.get_object()) {
      if (!person.is_object()) continue;
      const auto& told = person.get_object();
      now.people[std::string(room)].emplace(user, Person{text_of(told, "name"), text_of(told, "role")});
    }
  }
  const auto before = std::exchange(elsewhere[from], std::move(now));
  for (const auto& [id, room] : rooms) {
    if (!room->kind->talk) continue;
    static const std::map<std::string, Person> kNobody;
    const auto users_in = [&](const Elsewhere& at) -> const std::map<std::string, Person>& {
      const auto found = at.people.find(room->talk_id());
      return found == at.people.end() ? kNobody : found->second;
    };
    const auto& was = users_in(before);
    const auto& is = users_in(elsewhere[from]);
    for (const auto& [user, person] : is) {
      if (!was.contains(user) && !room->people.contains(user)) tell_presence(*room, user, person, true);
    }
    for (const auto& [user, person] : was) {
      const bool gone = !is.contains(user) && !room->people.contains(user) && !is_elsewhere(room->talk_id(), user);
      if (gone) tell_presence(*room, user, person, false);
    }
  }
}

bool Service::State::is_elsewhere(const std::string& talk_id, const std::string& user) const {
  for (const auto& [name, other] : elsewhere) {
    const auto found = other.people.find(talk_id);
    if (found != other.people.end() && found->second.contains(user)) return true;
  }
  return false;
}

asio::awaitable<void> Service::State::tell_people() {
  const auto self = shared_from_this();
  while (true) {
    co_await people_changed.wait_for(kTellEvery);
    people_changed.reset();
    json::object people;
    for (const auto& [id, room] : rooms) {
      if (!room->kind->talk) continue;
      json::object users;
      for (const auto& [user, present] : room->people) users[user] = person_json(user, present.person);
      people[room->talk_id()] = std::move(users);
    }
    publish({{"people", std::move(people)}});
    const auto old = std::chrono::steady_clock::now() - kForgetAfter;
    std::vector<std::string> gone;
    for (const auto& [name, other] : elsewhere) {
      if (other.heard < old) gone.push_back(name);
    }
    for (const auto& name : gone) {
      hear_people(name, {});
      elsewhere.erase(name);
    }
    // Many who come at once are told of together.
    co_await sleep_for(kTellAtMost);
  }
}

}  // namespace tiltyard::realtime
