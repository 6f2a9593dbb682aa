#pragma once

#include <boost/json/value.hpp>

#include <optional>
#include <utility>

#include "labs/http.h"
#include "labs/labs.h"
#include "labs/seats.h"
#include "labs/sessions.h"

/// What all ways into the machines of an instance have in common: logs, commands, terminals.
namespace tiltyard::labs {

/// What a user has open in machines.
struct Open {
  Seats commands, shells, followed_logs;
};
using OpenRef = std::shared_ptr<Open>;

/// What another capability asks for; `instance-unknown` for whoever may not see the instance.
asio::awaitable<Result<Shell>> open_shell(std::shared_ptr<const HttpParts> parts, OpenRef open, ShellWish wish);

// The routes of it, one file each.
void add_exec_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts, OpenRef open);  // http_exec.cpp
void add_terminal_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts,
                         OpenRef open);                                                  // http_terminal.cpp
void add_session_routes(house::Routes& routes, std::shared_ptr<const HttpParts> parts);  // http_sessions.cpp

/// The machine that the caller means: named, or the first endpoint's, or the first.
Result<engine::Handle> machine_of(const Instance& instance, const std::string& wanted);
/// The engine's names are ours alone: a player is told of the range, not of its insides.
Error for_player(Error error);
/// What keeps the instance awake from now on; it is woken first if it sleeps.
asio::awaitable<Result<std::shared_ptr<void>>> awake(std::shared_ptr<const HttpParts> parts, InstanceId id);
/// The size of a terminal as `[columns, rows]` says it, cut to what one may have; nothing for anything else.
std::optional<std::pair<int, int>> columns_and_rows(const boost::json::value& value);
/// bash where there is one; every image that can run a terminal at all has a sh.
inline constexpr std::string_view kAShell = "command -v bash >/dev/null 2>&1 && exec bash || exec sh";
/// The service whose machine has this handle.
std::string service_of(const Instance& instance, const engine::Handle& handle);
/// A query's number; `standard` where there is none.
int number_in(const std::string& text, int standard, int least, int most);

/// Seats of one kind, and in which words and under which key of the configuration their number is known.
struct Kind {
  Seats& seats;
  std::size_t most;
  const char *reason, *what, *key;
  const char* name = "";  ///< of a session of it
};
/// A seat for somebody.
Result<std::shared_ptr<void>> seat_for(Kind kind, const identity::Principal& who);
Kind commands_of(Open& open, const Options& options);
Kind shells_of(Open& open, const Options& options);

/// A command under way. Whoever lets go of it last, and why ever, the command does not outlive it: it is killed in the
/// machine, and only then are its user's seat and the instance's rest given back. Made on the home loop.
struct Running {
  std::shared_ptr<const HttpParts> parts;
  std::shared_ptr<engine::ExecSession> session;
  std::shared_ptr<void> seat, in_use;
  std::shared_ptr<void> listed;  ///< among the sessions; null before its stream is open

  Running(std::shared_ptr<const HttpParts> p, std::unique_ptr<engine::ExecSession> s, std::shared_ptr<void> place,
          std::shared_ptr<void> use);
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running();
};

/// Where a command is to run, with all that it needs there.
struct Place {
  std::string engine;
  engine::Handle machine;
  std::shared_ptr<void> seat, in_use;
  Sessions::Facts facts;
  std::optional<recordings::RecordingSpec> record;  ///< of every terminal there
};
/// The place in an instance that `who` may see; it is awake.
asio::awaitable<Result<Place>> place_in(std::shared_ptr<const HttpParts> parts, Instance instance,
                                        identity::Principal who, bus::Actor by, std::string machine, Kind kind);
/// The same, as the request means it.
asio::awaitable<Result<Place>> place_of(std::shared_ptr<const HttpParts> parts, http::Request request,
                                        std::string machine, Kind kind);
/// Runs it there. What a terminal has to have recorded is recorded before its stream's `read` hands it out.
asio::awaitable<Result<std::shared_ptr<Running>>> run_at(std::shared_ptr<const HttpParts> parts, Place place,
                                                         engine::ExecSpec spec);

}  // namespace tiltyard::labs
