// /api/v1/me/sessions and admin/users/{id}/sessions: where somebody is signed in; admin/permissions: who may call what.
#include <algorithm>

#include "bus/event_log.h"
#include "identity/state.h"
#include "net/page.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

using Answered = Result<http::Response>;
using Sessions = std::vector<sql::Session>;

/// What people see of a session's id: enough to tell them apart, too little to look the row up by.
std::string short_id(const std::string& id) { return id.substr(0, 16); }

json::object session_json(const sql::Session& session, const std::string& current) {
  json::object body;
  body["id"] = short_id(session.id);
  body["current"] = session.id == current;
  body["strategy"] = session.strategy;
  body["address"] = session.address;
  body["agent"] = session.agent;
  body["created_at"] = time_json(session.created_at);
  body["last_seen_at"] = time_json(session.last_seen_at);
  body["expires_at"] = time_json(session.expires_at);
  return body;
}

asio::awaitable<Answered> list(StatePtr state, std::string user, std::string current) {
  auto work = [user, now = state->clock.now()](soci::session& sql) -> Result<Sessions> {
    if (!sql::user_by_id(sql, user)) return fail(Code::kNotFound, "user-unknown", "There is no such user.");
    return sql::sessions_of(sql, user, now);
  };
  const auto sessions = co_await state->store.read(std::move(work));
  if (!sessions) co_return fail(sessions.error());
  json::array items;
  for (const auto& session : *sessions) items.push_back(session_json(session, current));
  co_return http::page_answer(std::move(items));
}

/// Ends one session (by its short id) or, with an empty one, all but `keep`.
asio::awaitable<Answered> end(StatePtr state, std::string user, std::string which, std::string keep, bus::Actor actor) {
  auto work = [user, which, keep, actor, now = state->clock.now()](soci::session& sql) -> Result<> {
    if (!sql::user_by_id(sql, user)) return fail(Code::kNotFound, "user-unknown", "There is no such user.");
    const auto sessions = sql::sessions_of(sql, user, now);
    const auto meant = [&](const sql::Session& one) {
      return which.empty() ? one.id != keep : short_id(one.id) == which;
    };
    if (!which.empty() && std::ranges::none_of(sessions, meant))
      return fail(Code::kNotFound, "session-unknown", "There is no such session.");
    for (const auto& session : sessions) {
      if (!meant(session)) continue;
      sql::delete_session(sql, session.id);
      auto event =
          event_of(events::kSessionRevoked, actor, user, {{"address", session.address}, {"agent", session.agent}});
      if (auto recorded = bus::record(sql, event); !recorded) return recorded;
    }
    return {};
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  state->cache.forget_user(UserId(user));
  co_return http::Response::empty(204);
}

asio::awaitable<Answered> my_sessions(StatePtr state, http::Request request) {
  const auto& who = principal_of(request);
  return list(state, who.user.str(), who.session);
}

asio::awaitable<Answered> end_my_others(StatePtr state, http::Request request) {
  const auto& who = principal_of(request);
  return end(state, who.user.str(), "", who.session, actor_of(*state, request));
}

asio::awaitable<Answered> end_mine(StatePtr state, http::Request request) {
  return end(state, principal_of(request).user.str(), std::string(request.param("id")), "", actor_of(*state, request));
}

asio::awaitable<Answered> sessions_of_user(StatePtr state, http::Request request) {
  return list(state, std::string(request.param("id")), principal_of(request).session);
}

asio::awaitable<Answered> end_all_of_user(StatePtr state, http::Request request) {
  return end(state, std::string(request.param("id")), "", "", actor_of(*state, request));
}

asio::awaitable<Answered> end_of_user(StatePtr state, http::Request request) {
  return end(state, std::string(request.param("id")), std::string(request.param("session")), "",
             actor_of(*state, request));
}

/// For a bad night: whoever has taken over sessions is out, and everybody signs in again. Tokens stay.
asio::awaitable<Answered> end_everybodys(StatePtr state, http::Request request) {
  const auto keep = principal_of(request).session;
  auto work = [keep, actor = actor_of(*state, request)](soci::session& sql) -> Result<long long> {
    const auto ended = sql::end_all_sessions(sql, keep);
    auto event = event_of(events::kSessionsEnded, actor, "", {{"sessions", ended}});
    if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
    return ended;
  };
  const auto ended = co_await state->store.write(std::move(work));
  if (!ended) co_return fail(ended.error());
  state->cache.forget_all();
  co_return json_answer(200, {{"ended", *ended}});
}

asio::awaitable<Answered> list_permissions(StatePtr state, http::Request) {
  json::array items;
  for (const auto& route : state->routes->all()) {
    const auto least = least_role(route.rights.access);
    json::object item;
    item["method"] = route.method;
    item["path"] = route.pattern;
    item["capability"] = route.capability;
    item["role"] = least ? json::value(to_string(*least)) : json::value(nullptr);
    item["scope"] = least ? json::value(to_string(route.rights.scope)) : json::value(nullptr);
    item["whose"] = to_string(route.rights.whose);
    item["proof"] = route.rights.proof == Proof::kFresh;
    items.push_back(std::move(item));
  }
  co_return http::page_answer(std::move(items));
}

}  // namespace

void add_my_session_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "GET", "/api/v1/me/sessions", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"profile-read"}, my_sessions);
  add_route(state, routes, "DELETE", "/api/v1/me/sessions",
            {Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh}, {"profile-change"}, end_my_others);
  add_route(state, routes, "DELETE", "/api/v1/me/sessions/{id}",
            {Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh}, {"profile-change"}, end_mine);
  add_route(state, routes, "GET", "/api/v1/admin/users/{id}/sessions", {Access::kOperator, Scope::kAdmin},
            {"admin-read"}, sessions_of_user);
  add_route(state, routes, "DELETE", "/api/v1/admin/users/{id}/sessions", {Access::kAdmin, Scope::kAdmin},
            {"people-change"}, end_all_of_user);
  add_route(state, routes, "DELETE", "/api/v1/admin/users/{id}/sessions/{session}", {Access::kAdmin, Scope::kAdmin},
            {"people-change"}, end_of_user);
  add_route(state, routes, "DELETE", "/api/v1/admin/sessions", {Access::kAdmin, Scope::kAdmin}, {"people-change"},
            end_everybodys);
  add_route(state, routes, "GET", "/api/v1/admin/permissions", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
            list_permissions);
}

}  // namespace tiltyard::identity
