// /api/v1/me/team, admin/teams and admin/invitations.
#include <fmt/core.h>

#include "bus/event_log.h"
#include "identity/names.h"
#include "identity/secrets.h"
#include "identity/state.h"
#include "net/body.h"
#include "net/page.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

using Answered = Result<http::Response>;

constexpr int kTeamsPage = 1000;
constexpr int kTeamCodeUses = 20;
constexpr Duration kTeamCodeFor = std::chrono::hours{7 * 24};
constexpr std::int64_t kLongestInvitation = 366LL * 24 * 3600;  ///< seconds

std::unexpected<Error> team_unknown() { return fail(Code::kNotFound, "team-unknown", "There is no such team."); }

json::object team_body(const sql::Team& team) {
  return {{"id", team.id}, {"name", team.name}, {"created_at", time_json(team.created_at)}, {"members", team.members}};
}

struct Roster {
  sql::Team team;
  std::vector<sql::User> members;
};

json::object roster_json(const Roster& roster) {
  auto body = team_body(roster.team);
  json::array people;
  for (const auto& member : roster.members)
    people.push_back(json::object{{"id", member.id}, {"name", member.name}, {"role", to_string(member.role)}});
  body["people"] = std::move(people);
  return body;
}

Result<Roster> read_roster(soci::session& sql, const std::string& id) {
  auto team = sql::team_by_id(sql, id);
  if (!team) return team_unknown();
  return Roster{std::move(*team), sql::members_of(sql, id)};
}

/// After a change of who is in what team: nothing remembered is true any more, and streams look again within a second.
void team_changed(const StatePtr& state, const std::string& user) {
  state->has_team.reset();
  if (!user.empty()) state->cache.forget_user(UserId(user));
}

// --- one's own team ----------------------------------------------------------------------------

asio::awaitable<Answered> my_team(StatePtr state, http::Request request) {
  const auto team = principal_of(request).team;
  if (!team) co_return fail(Code::kNotFound, "team-unknown", "You are in no team.");
  auto work = [id = team->str()](soci::session& sql) { return read_roster(sql, id); };
  const auto roster = co_await state->store.read(std::move(work));
  if (!roster) co_return fail(roster.error());
  co_return json_answer(200, roster_json(*roster));
}

/// The team, written; the other sessions end and the one that asks gets a new name, as its rights are others now.
Result<std::optional<TimePoint>> move_to(soci::session& sql, const Principal& who, const std::string& team,
                                         const bus::Event& event, const std::string& fresh_session) {
  sql::put_into_team(sql, who.user.str(), team);
  sql::end_sessions(sql, who.user.str(), who.session);
  if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
  return sql::rename_session(sql, who.session, fresh_session);
}

http::Response with_cookie(const StatePtr& state, const http::Request& request, http::Response response,
                           const Secret& value, const std::optional<TimePoint>& ends) {
  if (ends) {
    const auto lives = std::chrono::floor<std::chrono::seconds>(*ends - state->clock.now());
    response.headers.add("Set-Cookie",
                         session_cookie(came_over_tls(request, state->trusted_proxies), value.reveal(), lives));
  }
  return response;
}

asio::awaitable<Answered> join(StatePtr state, http::Request request) {
  const auto who = principal_of(request);
  if (who.kind == "service") co_return fail(Code::kForbidden, "forbidden", "The admin token plays in no team.");
  http::Body body(request.body);
  const auto code = body.text("code", 0, kLongestField);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  const auto attempt = "team|" + who.user.str();
  if (auto free = state->attempts.begin(attempt, state->clock.now()); !free) co_return fail(std::move(free.error()));
  const auto value = new_random_value();
  auto work = [who, hash = code_hash(code), fresh = fingerprint(value.reveal()), actor = actor_of(*state, request),
               now = state->clock.now()](soci::session& sql) -> Result<std::optional<TimePoint>> {
    const auto user = sql::user_by_id(sql, who.user.str());
    if (!user) return fail(Code::kUnauthenticated, "not-signed-in", "This account is gone.");
    if (!user->team_id.empty()) return fail(Code::kConflict, "team-already", "You are in a team. Leave it first.");
    const auto invitation = sql::use_invitation(sql, "team", hash, now);
    if (!invitation)
      return fail(Code::kForbidden, "invitation-wrong",
                  "This team's code is mistyped, used up or too old. Ask for a new one.");
    auto event = event_of(events::kTeamJoined, actor, who.user.str(), {{"team", invitation->team_name}});
    event.owner = invitation->team_id;
    return move_to(sql, who, invitation->team_id, event, fresh);
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  state->attempts.succeeded(attempt);
  team_changed(state, who.user.str());
  log::info("identity", "joined a team", {{"user", who.user.str()}});
  co_return with_cookie(state, request, http::Response::empty(204), value, *done);
}

asio::awaitable<Answered> leave(StatePtr state, http::Request request) {
  const auto who = principal_of(request);
  if (!who.team) co_return fail(Code::kNotFound, "team-unknown", "You are in no team.");
  const auto value = new_random_value();
  auto event = event_of(events::kTeamLeft, actor_of(*state, request), who.user.str(), {{"team", who.team_name}});
  event.owner = who.team->str();
  auto work = [who, event, fresh = fingerprint(value.reveal())](soci::session& sql) {
    return move_to(sql, who, "", event, fresh);
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  team_changed(state, who.user.str());
  log::info("identity", "left a team", {{"user", who.user.str()}, {"team", who.team->str()}});
  co_return with_cookie(state, request, http::Response::empty(204), value, *done);
}

json::object invitation_json(const sql::Invitation& one) {
  json::object body;
  body["id"] = one.id;
  body["kind"] = one.kind;
  body["role"] = to_string(one.role);
  body["team"] = team_json(one.team_id, one.team_name);
  body["uses_left"] = one.uses_left;
  body["created_at"] = time_json(one.created_at);
  body["expires_at"] = time_json(one.expires_at);
  return body;
}

http::Response new_invitation(const sql::Invitation& one, const Secret& code) {
  auto body = invitation_json(one);
  body["code"] = code.reveal();
  auto response = json_answer(201, body);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

asio::awaitable<Answered> invite_to_team(StatePtr state, http::Request request) {
  const auto who = principal_of(request);
  if (!who.team) co_return fail(Code::kNotFound, "team-unknown", "You are in no team.");
  const auto code = new_code();
  const auto now = state->clock.now();
  sql::Invitation one{
      new_ulid(),    code_hash(code.reveal()), "team", Role::kPlayer,     who.team->str(), who.team_name,
      kTeamCodeUses, who.user.str(),           now,    now + kTeamCodeFor};
  auto event = event_of(events::kTeamChanged, actor_of(*state, request), one.team_id, {{"invitation", one.id}});
  event.owner = one.team_id;
  auto work = [one, event](soci::session& sql) {
    // The new code replaces the old one: who has left and knows it does not come back by it.
    sql::delete_team_invitations(sql, one.team_id);
    sql::insert_invitation(sql, one);
    return bus::record(sql, event);
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  co_return new_invitation(one, code);
}

// --- staff: teams ------------------------------------------------------------------------------

asio::awaitable<Answered> list_teams(StatePtr state, http::Request request) {
  auto work = [cursor = request.query_value("cursor")](soci::session& sql) -> Result<std::vector<sql::Team>> {
    return sql::teams_after(sql, cursor, kTeamsPage + 1);
  };
  auto teams = co_await state->store.read(std::move(work));
  if (!teams) co_return fail(std::move(teams.error()));
  const bool more = teams->size() > kTeamsPage;
  if (more) teams->pop_back();
  json::array items;
  for (const auto& team : *teams) items.push_back(team_body(team));
  co_return http::page_answer(std::move(items), more ? http::Cursor(teams->back().id) : http::Cursor());
}

Result<std::string> read_name(const http::Request& request) {
  http::Body body(request.body);
  auto name = body.text("name", 0, kLongestField);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  if (auto good = check_name("name", name); !good) return fail(std::move(good.error()));
  return name;
}

asio::awaitable<Answered> create_team(StatePtr state, http::Request request) {
  auto name = read_name(request);
  if (!name) co_return fail(std::move(name.error()));
  auto work = [name = *name, now = state->clock.now(),
               actor = actor_of(*state, request)](soci::session& sql) -> Result<sql::Team> {
    auto team = sql::insert_team(sql, name, now);
    if (!team) return team;
    if (auto recorded = bus::record(sql, event_of(events::kTeamCreated, actor, team->id, {{"name", name}}));
        !recorded) {
      return fail(std::move(recorded.error()));
    }
    return team;
  };
  const auto team = co_await state->store.write(std::move(work));
  if (!team) co_return fail(team.error());
  team_changed(state, "");
  co_return json_answer(201, team_body(*team));
}

asio::awaitable<Answered> show_team(StatePtr state, http::Request request) {
  auto work = [id = std::string(request.param("id"))](soci::session& sql) { return read_roster(sql, id); };
  const auto roster = co_await state->store.read(std::move(work));
  if (!roster) co_return fail(roster.error());
  co_return json_answer(200, roster_json(*roster));
}

asio::awaitable<Answered> rename_team(StatePtr state, http::Request request) {
  const std::string id(request.param("id"));
  auto name = read_name(request);
  if (!name) co_return fail(std::move(name.error()));
  auto work = [id, name = *name, actor = actor_of(*state, request)](soci::session& sql) -> Result<Roster> {
    auto roster = read_roster(sql, id);
    if (!roster) return roster;
    auto event = event_of(events::kTeamChanged, actor, id, {{"before", roster->team.name}, {"name", name}});
    if (auto renamed = sql::rename_team(sql, id, name); !renamed) return fail(std::move(renamed.error()));
    if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
    roster->team.name = name;
    return roster;
  };
  const auto roster = co_await state->store.write(std::move(work));
  if (!roster) co_return fail(roster.error());
  for (const auto& member : roster->members) state->cache.forget_user(UserId(member.id));
  state->cache.forget("");  // moves the generation on: names that are being read right now are not kept
  state->names.erase(id);
  co_return json_answer(200, roster_json(*roster));
}

asio::awaitable<Answered> delete_team(StatePtr state, http::Request request) {
  const std::string id(request.param("id"));
  auto work = [id, now = state->clock.now(), actor = actor_of(*state, request)](soci::session& sql) -> Result<Roster> {
    auto roster = read_roster(sql, id);
    if (!roster) return roster;
    sql::delete_team(sql, id, now);
    for (const auto& member : roster->members) sql::end_sessions(sql, member.id, "");
    auto event = event_of(events::kTeamDeleted, actor, id, {{"name", roster->team.name}});
    if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
    return roster;
  };
  const auto roster = co_await state->store.write(std::move(work));
  if (!roster) co_return fail(roster.error());
  for (const auto& member : roster->members) team_changed(state, member.id);
  team_changed(state, "");
  log::info("identity", "team deleted", {{"by", principal_of(request).user.str()}, {"team", id}});
  // Its instances belong to nobody any more: they go, as a deleted user's do.
  for (const auto& hook : state->deleted_hooks) hook(UserId(id));
  co_return http::Response::empty(204);
}

/// Puts a user into the team of the path, or out of it. Sessions with the old rights end, as they do with another role.
asio::awaitable<Answered> move_member(StatePtr state, http::Request request, bool in) {
  const std::string team(request.param("id")), user(request.param("user"));
  auto work = [team, user, in, actor = actor_of(*state, request)](soci::session& sql) -> Result<> {
    const auto found = sql::team_by_id(sql, team);
    if (!found) return team_unknown();
    const auto member = sql::user_by_id(sql, user);
    if (!member || member->kind == "service" || (!in && member->team_id != team)) {
      return fail(Code::kNotFound, "user-unknown", in ? "There is no such user." : "This user is not in the team.");
    }
    if (in && member->team_id == team) return {};
    sql::put_into_team(sql, user, in ? team : std::string());
    sql::end_sessions(sql, user, "");
    auto event = event_of(in ? events::kTeamJoined : events::kTeamLeft, actor, user,
                          {{"team", found->name}, {"user", member->name}});
    event.owner = team;
    return bus::record(sql, event);
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  team_changed(state, user);
  co_return http::Response::empty(204);
}

asio::awaitable<Answered> add_member(StatePtr state, http::Request request) {
  return move_member(std::move(state), std::move(request), true);
}
asio::awaitable<Answered> remove_member(StatePtr state, http::Request request) {
  return move_member(std::move(state), std::move(request), false);
}

// --- staff: invitations ------------------------------------------------------------------------

asio::awaitable<Answered> list_invitations(StatePtr state, http::Request) {
  auto work = [now = state->clock.now()](soci::session& sql) -> Result<std::vector<sql::Invitation>> {
    return sql::invitations_of(sql, "account", now);
  };
  const auto all = co_await state->store.read(std::move(work));
  if (!all) co_return fail(all.error());
  json::array items;
  for (const auto& one : *all) items.push_back(invitation_json(one));
  co_return http::page_answer(std::move(items));
}

Result<sql::Invitation> read_invitation(std::string_view bytes, const Principal& who, TimePoint now) {
  http::Body body(bytes);
  sql::Invitation one;
  one.id = new_ulid();
  one.created_by = who.user.str();
  one.created_at = now;
  const auto role = body.maybe_text("role", 0, kLongestField).value_or("player");
  one.team_name = body.maybe_text("team", 0, kLongestField).value_or("");
  one.uses_left = static_cast<int>(body.maybe_number("uses", 1, 10'000).value_or(1));
  one.expires_at =
      now + std::chrono::seconds{body.maybe_number("expires_in_s", 1, kLongestInvitation).value_or(7 * 24 * 3600)};
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  auto parsed = parse_role(role);
  if (!parsed) return fail(std::move(parsed.error()));
  one.role = *parsed;
  // An invitation is a way to make users; who may not make staff may not invite any.
  if (one.role >= Role::kOperator && !who.at_least(Role::kAdmin))
    return fail(Code::kForbidden, "forbidden", "Only admins invite staff.");
  if (!one.team_name.empty()) {
    if (auto good = check_name("team", one.team_name); !good) return fail(std::move(good.error()));
  }
  return one;
}

asio::awaitable<Answered> create_invitation(StatePtr state, http::Request request) {
  const auto now = state->clock.now();
  auto one = read_invitation(request.body, principal_of(request), now);
  if (!one) co_return fail(std::move(one.error()));
  const auto code = new_code();
  one->hash = code_hash(code.reveal());
  auto work = [one = *one, now,
               actor = actor_of(*state, request)](soci::session& sql) mutable -> Result<sql::Invitation> {
    if (!one.team_name.empty()) one.team_id = sql::ensure_team(sql, one.team_name, now);
    sql::insert_invitation(sql, one);
    auto event = event_of(events::kInvitationCreated, actor, one.id,
                          {{"role", to_string(one.role)}, {"team", one.team_name}, {"uses", one.uses_left}});
    if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
    return one;
  };
  const auto made = co_await state->store.write(std::move(work));
  if (!made) co_return fail(made.error());
  team_changed(state, "");
  co_return new_invitation(*made, code);
}

asio::awaitable<Answered> delete_invitation(StatePtr state, http::Request request) {
  auto work = [id = std::string(request.param("id")),
               actor = actor_of(*state, request)](soci::session& sql) -> Result<> {
    if (!sql::delete_invitation(sql, id))
      return fail(Code::kNotFound, "invitation-unknown", "There is no such invitation.");
    return bus::record(sql, event_of(events::kInvitationDeleted, actor, id));
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  co_return http::Response::empty(204);
}

}  // namespace

void add_team_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "GET", "/api/v1/me/team", {Access::kSignedIn, Scope::kRead, Whose::kSelf}, {"profile-read"},
            my_team);
  add_route(state, routes, "POST", "/api/v1/me/team", {Access::kSignedIn, Scope::kAccount, Whose::kSelf}, {"team-join"},
            join);
  add_route(state, routes, "DELETE", "/api/v1/me/team", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"profile-change"}, leave);
  add_route(state, routes, "POST", "/api/v1/me/team/invitation", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"profile-change"}, invite_to_team);
  add_route(state, routes, "GET", "/api/v1/admin/teams", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
            list_teams);
  add_route(state, routes, "POST", "/api/v1/admin/teams", {Access::kOperator, Scope::kAdmin}, {"people-change"},
            create_team);
  add_route(state, routes, "GET", "/api/v1/admin/teams/{id}", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
            show_team);
  add_route(state, routes, "PATCH", "/api/v1/admin/teams/{id}", {Access::kOperator, Scope::kAdmin}, {"people-change"},
            rename_team);
  add_route(state, routes, "DELETE", "/api/v1/admin/teams/{id}", {Access::kAdmin, Scope::kAdmin}, {"people-change"},
            delete_team);
  add_route(state, routes, "PUT", "/api/v1/admin/teams/{id}/members/{user}", {Access::kOperator, Scope::kAdmin},
            {"people-change"}, add_member);
  add_route(state, routes, "DELETE", "/api/v1/admin/teams/{id}/members/{user}", {Access::kOperator, Scope::kAdmin},
            {"people-change"}, remove_member);
  add_route(state, routes, "GET", "/api/v1/admin/invitations", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
            list_invitations);
  add_route(state, routes, "POST", "/api/v1/admin/invitations", {Access::kOperator, Scope::kAdmin}, {"people-change"},
            create_invitation);
  add_route(state, routes, "DELETE", "/api/v1/admin/invitations/{id}", {Access::kOperator, Scope::kAdmin},
            {"people-change"}, delete_invitation);
}

}  // namespace tiltyard::identity
