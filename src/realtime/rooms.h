#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "base/gate.h"
#include "base/parallel.h"
#include "bus/redis.h"
#include "realtime/engine_io.h"
#include "realtime/history.h"
#include "realtime/socket_io.h"

namespace tiltyard::realtime {

using Who = std::shared_ptr<const identity::Principal>;

/// What the others see of somebody. A name can look like another one; the role is what the server knows.
struct Person {
  std::string name, role;
};

/// Somebody in a room of people, with how many connections.
struct Present {
  Person person;
  std::size_t connections = 0;
};

/// Who is in the rooms of people on another node, as it has told last: by room and user.
struct Elsewhere {
  std::map<std::string, std::map<std::string, Person>> people;
  std::chrono::steady_clock::time_point heard{};
};

/// A room that somebody of this node is in. Goes with its last member.
struct Room {
  const RoomKind* kind = nullptr;
  std::string name;  ///< as clients say it
  std::string key;
  Audience audience;
  std::map<std::string, Present> people;  ///< by user's id; of rooms of people only
  std::string shown;                      ///< the last snapshot of a room of figures
  std::chrono::steady_clock::time_point due{};

  std::string id() const { return id_of(*kind, name, key); }
  static std::string id_of(const RoomKind& kind, const std::string& name, const std::string& key) {
    return talk_id(kind, key) + "|" + name;
  }
  /// What its messages are kept under: the same however clients name it.
  static std::string talk_id(const RoomKind& kind, const std::string& key) { return kind.name + "|" + key; }
  std::string talk_id() const { return talk_id(*kind, key); }
};
using RoomRef = std::shared_ptr<Room>;

/// A client that was let in.
struct Member {
  socket_io::SocketRef socket;
  Who who;
  std::string address;
  std::string pid;  ///< what it is found again by
  struct Place {
    RoomRef room;
    Position from;  ///< it has had the room's news from here on
  };
  std::map<std::string, Place> rooms;  ///< by the name the client uses
  std::vector<KeptRoom> kept() const;
};
using MemberRef = std::shared_ptr<Member>;

/// An event that somebody has missed, ready to be sent.
struct Missed {
  Position at;
  const RoomKind* kind;
  json::object news;
};

/// What was found of a session of before: its rooms, and what they have had meanwhile.
struct Recovered {
  std::vector<KeptRoom> rooms;
  std::vector<Missed> missed;
  Position upto;  ///< all news until here is in `missed`
};

struct Service::State : socket_io::Namespace, std::enable_shared_from_this<Service::State> {
  State(Options o, Parts p);

  // realtime.cpp: who is let in
  asio::awaitable<Result<engine_io::Greeting>> greet(http::Request request);
  asio::awaitable<Result<json::object>> admit(socket_io::SocketRef socket, json::object auth) override;
  asio::awaitable<Result<Who>> identify(http::Request request);
  asio::awaitable<Result<Who>> who_is(socket_io::SocketRef socket, const json::object& auth);
  limits::Caller caller_of(const Member& member) const;

  // rooms.cpp: what members do
  void on_connected(socket_io::SocketRef socket) override;
  asio::awaitable<void> on_event(socket_io::SocketRef socket, socket_io::Event event) override;
  void on_gone(socket_io::SocketRef socket, std::string_view reason) override;
  asio::awaitable<Result<json::object>> act(MemberRef member, std::string verb, socket_io::Arguments arguments);
  asio::awaitable<Result<json::object>> join(MemberRef member, std::string name, std::string since);
  asio::awaitable<Result<json::object>> leave(MemberRef member, std::string name);
  asio::awaitable<Result<>> keep(MemberRef member, std::vector<KeptRoom> rooms);
  RoomRef enter(const MemberRef& member, const RoomKind& kind, const KeptRoom& room);
  void part(const MemberRef& member, RoomRef room);
  const RoomKind* kind_of(const std::string& name, std::string& rest) const;

  // recovery.cpp: what they have missed
  asio::awaitable<std::optional<Recovered>> recover(Who who, std::string pid, std::string offset);
  asio::awaitable<bool> reaches(Position wanted);
  asio::awaitable<Result<std::optional<std::vector<Missed>>>> missed_by(std::vector<KeptRoom> rooms, Position until);
  asio::awaitable<bool> catch_up(Recovered* found);
  void send_missed(Member& member, std::vector<Missed> missed);

  // news.cpp: what happens meanwhile
  asio::awaitable<void> follow();
  asio::awaitable<void> tell_logged(Logged logged);
  void tell_said(const Said& said);
  void tell_passing(const bus::Event& event);
  asio::awaitable<void> tell_passing_later(bus::Event event);
  std::vector<RoomRef> rooms_of_key(const RoomKind& kind, const std::string& key) const;
  struct Told {
    const RoomKind* kind;
    std::string key;
    json::object news;
  };
  std::vector<Told> concerned(const bus::Event& event) const;
  asio::awaitable<std::vector<Told>> news_of(bus::Event event, long long seq);
  void send_all(const std::vector<Told>& told, const std::string& offset);
  void send(Room& room, std::string_view event, json::object news, const std::string& offset);
  asio::awaitable<void> show_figures();
  asio::awaitable<void> show(RoomRef room);

  // talk.cpp: rooms of people
  asio::awaitable<Result<json::object>> say(MemberRef member, std::string name, std::string text);
  asio::awaitable<Result<json::array>> last_words(const RoomKind* kind, std::string key, long long until);
  void here(Room& room, const Member& member, bool comes);
  void tell_presence(Room& room, const std::string& user, const Person& person, bool comes);
  json::array people_of(const Room& room) const;

  // nodes.cpp: the other nodes, through Redis
  Result<> connect_nodes();
  void nudge();
  void publish(json::object message);
  asio::awaitable<void> publish_later(std::string text);
  void hear(std::string text);
  void hear_people(const std::string& from, json::object people);
  bool is_elsewhere(const std::string& talk_id, const std::string& user) const;
  asio::awaitable<void> tell_people();

  // rights.cpp
  asio::awaitable<void> watch_rights();

  Options options;
  Parts parts;
  std::map<std::string, RoomKind> kinds;
  std::unique_ptr<engine_io::Server> engine;
  std::unique_ptr<socket_io::Server> sockets;
  std::unordered_map<socket_io::Socket*, MemberRef> members;
  std::unordered_map<socket_io::Socket*, std::shared_ptr<Recovered>> arriving;  ///< between admit and on_connected
  std::map<std::string, RoomRef> rooms;                   ///< by id, so that those of one kind and key stand together
  std::unordered_map<std::string, std::size_t> per_user;  ///< connections
  std::string epoch;
  Position at;  ///< everything until here was told
  Signal news, rights;
  bus::Bus::Subscription subscription;
  bool figures_shown = false;
  bool nudged = false;  ///< something was written here that the other nodes do not know of yet
  std::string node;
  std::unique_ptr<bus::Redis> speaker, listener;
  std::map<std::string, Elsewhere> elsewhere;  ///< by node
  Signal people_changed;
  Gate gate{"realtime"};
};

/// `{"id", "from": {"id", "name"}, "at", "text"}`
json::object person_json(const std::string& id, const Person& person);
json::object said_json(const Said& said);

}  // namespace tiltyard::realtime
