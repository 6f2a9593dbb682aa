// /api/v1/admin/users: who has an account, and what role.
#include <fmt/core.h>
#include <boost/json/serialize.hpp>

#include <charconv>

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

constexpr int kPage = 100;
constexpr int kLargestPage = 1000;
constexpr Duration kLinkFor = std::chrono::hours{24};

json::object user_json(const sql::User& user) {
  json::object body;
  body["id"] = user.id;
  body["name"] = user.name;
  body["kind"] = user.kind;
  body["role"] = to_string(user.role);
  body["roles"] = roles_json(user.role);
  body["team"] = team_json(user.team_id, user.team_name);
  body["has_password"] = !user.password_hash.empty();
  body["email"] = user.email.empty() ? json::value(nullptr) : json::value(user.email);
  body["created_at"] = time_json(user.created_at);
  body["last_sign_in_at"] = time_json(user.last_sign_in_at);
  body["disabled"] = user.disabled_at != sql::kNever;
  return body;
}

std::unexpected<Error> unknown() { return fail(Code::kNotFound, "user-unknown", "There is no such user."); }

/// Where the link leads. The token is in the fragment, which browsers keep to themselves.
std::string sign_in_url(const Service::State& state, const http::Request& request, const Secret& link) {
  return site_url(state, request) + "/signin#" + link.reveal();
}

asio::awaitable<Answered> list_users(StatePtr state, http::Request request) {
  const auto limit = http::query_number(request, "limit", kPage, 1, kLargestPage);
  if (!limit) co_return fail(limit.error());
  // One more than the page shows whether there is a next one.
  auto work = [cursor = request.query_value("cursor"),
               limit = static_cast<int>(*limit)](soci::session& sql) -> Result<std::vector<sql::User>> {
    return sql::users_after(sql, cursor, limit + 1);
  };
  auto users = co_await state->store.read(std::move(work));
  if (!users) co_return fail(std::move(users.error()));
  const bool more = users->size() > static_cast<std::size_t>(*limit);
  if (more) users->pop_back();
  json::array items;
  for (const auto& user : *users) items.push_back(user_json(user));
  co_return http::page_answer(std::move(items), more ? http::Cursor(users->back().id) : http::Cursor());
}

/// What POST and PATCH may say. An outer nullopt: not mentioned; an inner one: null.
struct Wanted {
  std::optional<std::string> name;
  std::optional<Role> role;
  std::optional<std::optional<std::string>> team, password, email;
  std::optional<bool> disabled;
};

std::optional<std::optional<std::string>> text_or_null(http::Body& body, std::string_view name) {
  if (!body.has(name)) return std::nullopt;
  return std::optional(body.maybe_text(name, 0, kLongestField));
}

Result<Wanted> read_wanted(std::string_view bytes) {
  http::Body body(bytes);
  Wanted wanted;
  if (body.has("name")) wanted.name = body.text("name", 0, kLongestField);
  const auto role = body.has("role") ? std::optional(body.text("role", 0, kLongestField)) : std::nullopt;
  wanted.team = text_or_null(body, "team");
  wanted.password = text_or_null(body, "password");
  if (body.has("disabled")) wanted.disabled = body.flag("disabled");
  wanted.email = text_or_null(body, "email");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  if (wanted.name) {
    if (auto good = check_name("name", *wanted.name); !good) return fail(std::move(good.error()));
  }
  if (role) {
    const auto parsed = parse_role(*role);
    if (!parsed) return fail(parsed.error());
    wanted.role = *parsed;
  }
  if (wanted.team && *wanted.team) {
    if (auto good = check_name("team", **wanted.team); !good) return fail(std::move(good.error()));
  }
  if (wanted.email && *wanted.email) {
    if (auto good = check_email(**wanted.email); !good) return fail(std::move(good.error()));
  }
  return wanted;
}

/// The hash of a password that an administrator chose; empty when there is none.
asio::awaitable<Result<std::string>> hash_wanted(StatePtr state, Wanted wanted, std::string name) {
  if (!wanted.password || !*wanted.password) co_return std::string();
  Secret password(**wanted.password);
  if (auto good = check_password(password.reveal(), name, state->options.password_min); !good)
    co_return fail(std::move(good.error()));
  co_return co_await state->hasher.hash(std::move(password));
}

/// The user as it is now, with the fields that the answer shows.
Result<sql::User> read_back(soci::session& sql, const std::string& id) {
  auto user = sql::user_by_id(sql, id);
  if (!user) return unknown();
  return *user;
}

asio::awaitable<Answered> create_user(StatePtr state, http::Request request) {
  auto wanted = read_wanted(request.body);
  if (!wanted) co_return fail(std::move(wanted.error()));
  if (!wanted->name) co_return fail(Code::kInvalid, "invalid-body", "'name' is missing.");
  const auto hash = co_await hash_wanted(state, *wanted, *wanted->name);
  if (!hash) co_return fail(hash.error());

  const auto link = new_random_value();
  const auto now = state->clock.now();
  auto work = [wanted = *wanted, hash = *hash, link_hash = fingerprint(link.reveal()), now,
               actor = actor_of(*state, request)](soci::session& sql) -> Result<sql::User> {
    sql::User user;
    user.id = new_ulid();
    user.name = *wanted.name;
    user.role = wanted.role.value_or(Role::kPlayer);
    user.password_hash = hash;
    user.created_at = now;
    if (wanted.email) user.email = wanted.email->value_or("");
    if (wanted.team && *wanted.team) user.team_id = sql::ensure_team(sql, **wanted.team, now);
    if (auto made = sql::insert_user(sql, user); !made) return fail(std::move(made.error()));
    if (hash.empty()) sql::insert_link(sql, link_hash, user.id, now, now + kLinkFor);
    auto event = event_of(events::kUserCreated, actor, user.id, {{"name", user.name}, {"role", to_string(user.role)}});
    if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
    return read_back(sql, user.id);
  };
  const auto user = co_await state->store.write(std::move(work));
  if (!user) co_return fail(user.error());
  state->has_team.reset();
  log::info("identity", "user made",
            {{"by", principal_of(request).user.str()}, {"user", user->id}, {"role", to_string(user->role)}});
  auto answer = user_json(*user);
  answer["sign_in_url"] = hash->empty() ? json::value(sign_in_url(*state, request, link)) : json::value(nullptr);
  auto response = json_answer(201, answer);
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

/// What was changed, for the record; never what a secret was changed to.
json::object change_json(const sql::User& before, const Wanted& wanted) {
  json::object detail{{"name", before.name}};
  if (wanted.name) detail["new_name"] = *wanted.name;
  if (wanted.role) detail["role"] = json::array{to_string(before.role), to_string(*wanted.role)};
  if (wanted.team) detail["team"] = json::array{before.team_name, wanted.team->value_or("")};
  if (wanted.disabled) detail["disabled"] = *wanted.disabled;
  if (wanted.password) detail["reset"] = *wanted.password ? "password" : "link";
  if (wanted.email) detail["email"] = true;
  return detail;
}

/// Writes what is wanted over what is there.
Result<sql::User> change(soci::session& sql, const std::string& id, const Wanted& wanted, const std::string& hash,
                         const std::string& link_hash, const bus::Actor& actor, TimePoint now) {
  auto user = sql::user_by_id(sql, id);
  if (!user || user->kind == "service") return unknown();
  if (user->kind != "user" && (wanted.name || wanted.password || wanted.role || wanted.email)) {
    return fail(Code::kInvalid, "invalid-body", "A seat has no name, password or role of its own.");
  }
  const bool other_role = wanted.role && *wanted.role != user->role;
  const auto old_team = user->team_id;
  const auto event = event_of(events::kUserChanged, actor, id, change_json(*user, wanted));
  if (wanted.email) user->email = wanted.email->value_or("");
  if (wanted.name) user->name = *wanted.name;
  if (wanted.role) user->role = *wanted.role;
  if (wanted.team) user->team_id = *wanted.team ? sql::ensure_team(sql, **wanted.team, now) : std::string();
  if (wanted.disabled) user->disabled_at = *wanted.disabled ? now : sql::kNever;
  if (wanted.password) user->password_hash = hash;
  if (auto written = sql::update_user(sql, *user); !written) return fail(std::move(written.error()));
  // Whoever was signed in with the old password or the old role, or should no longer be, is not any more
  // (ASVS 5.0, 7.4.2).
  if (wanted.password || other_role || (wanted.disabled && *wanted.disabled)) sql::end_sessions_and_links(sql, id, "");
  else if (user->team_id != old_team) sql::end_sessions(sql, id, "");
  if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
  if (wanted.password && hash.empty()) sql::insert_link(sql, link_hash, id, now, now + kLinkFor);
  return read_back(sql, id);
}

asio::awaitable<Answered> change_user(StatePtr state, http::Request request) {
  const std::string id(request.param("id"));
  auto wanted = read_wanted(request.body);
  if (!wanted) co_return fail(std::move(wanted.error()));
  auto find = [id](soci::session& sql) { return read_back(sql, id); };
  const auto before = co_await state->store.read(std::move(find));
  if (!before) co_return fail(before.error());
  const auto hash = co_await hash_wanted(state, *wanted, wanted->name.value_or(before->name));
  if (!hash) co_return fail(hash.error());

  const auto link = new_random_value();
  auto work = [id, wanted = *wanted, hash = *hash, link_hash = fingerprint(link.reveal()), now = state->clock.now(),
               actor = actor_of(*state, request)](soci::session& sql) {
    return change(sql, id, wanted, hash, link_hash, actor, now);
  };
  const auto user = co_await state->store.write(std::move(work));
  if (!user) co_return fail(user.error());
  state->cache.forget_user(UserId(id));
  state->names.erase(id);
  state->has_team.reset();
  log::info("identity", "user changed",
            {{"by", principal_of(request).user.str()}, {"user", id}, {"role", to_string(user->role)}});
  auto answer = user_json(*user);
  const bool reset = wanted->password && !*wanted->password;
  answer["sign_in_url"] = reset ? json::value(sign_in_url(*state, request, link)) : json::value(nullptr);
  auto response = json_answer(200, answer);
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

asio::awaitable<Answered> delete_user(StatePtr state, http::Request request) {
  const std::string id(request.param("id"));
  auto work = [id, now = state->clock.now(), actor = actor_of(*state, request)](soci::session& sql) -> Result<> {
    const auto user = sql::user_by_id(sql, id);
    if (id == kServiceId || !user || !sql::delete_user(sql, id, now)) return unknown();
    return bus::record(sql, event_of(events::kUserDeleted, actor, id, {{"name", user->name}}));
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  state->cache.forget_user(UserId(id));
  log::info("identity", "user deleted", {{"by", principal_of(request).user.str()}, {"user", id}});
  for (const auto& hook : state->deleted_hooks) hook(UserId(id));
  co_return http::Response::empty(204);
}

}  // namespace

void add_user_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "GET", "/api/v1/admin/users", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
            list_users);
  add_route(state, routes, "POST", "/api/v1/admin/users", {Access::kAdmin, Scope::kAdmin}, {"people-change"},
            create_user);
  add_route(state, routes, "PATCH", "/api/v1/admin/users/{id}", {Access::kAdmin, Scope::kAdmin}, {"people-change"},
            change_user);
  add_route(state, routes, "DELETE", "/api/v1/admin/users/{id}", {Access::kAdmin, Scope::kAdmin}, {"people-change"},
            delete_user);
}

}  // namespace tiltyard::identity
