// /api/v1/me: who I am, my password, my tokens.
#include <fmt/core.h>
#include <boost/json/serialize.hpp>

#include <algorithm>

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

constexpr int kMostTokens = 100;
constexpr std::int64_t kLongestToken = 10LL * 366 * 24 * 3600;  ///< seconds

asio::awaitable<Answered> me(StatePtr state, http::Request request) {
  auto body = co_await me_json(state, principal_of(request));
  auto response = json_answer(200, body);
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

/// Whether `old` is the user's password, counted like a sign-in: a borrowed session must not be a way to guess it. Who
/// has none must have signed in lately.
asio::awaitable<Result<>> check_old_password(StatePtr state, Principal who, sql::User user,
                                             std::optional<std::string> old, std::string field) {
  if (user.password_hash.empty()) co_return check_proof(*state, who);
  if (!old) co_return fail(Code::kInvalid, "invalid-body", fmt::format("'{}' is missing.", field));
  const auto key = "password|" + user.id;
  if (auto free = state->attempts.begin(key, state->clock.now()); !free) co_return fail(std::move(free.error()));
  Secret typed(std::move(*old));
  const auto verdict = co_await state->hasher.verify(user.password_hash, std::move(typed));
  if (!verdict) {
    state->attempts.withdraw(key);
    co_return fail(verdict.error());
  }
  if (!verdict->right) co_return fail(Code::kUnauthenticated, "credentials-wrong", "The old password is wrong.");
  state->attempts.succeeded(key);
  co_return Result<>{};
}

asio::awaitable<Answered> set_password(StatePtr state, http::Request request) {
  const auto principal = principal_of(request);
  if (principal.kind != "user") co_return fail(Code::kForbidden, "forbidden", "Only accounts have a password.");
  http::Body body(request.body);
  Secret fresh(body.text("new", 0, kLongestField));
  auto old = body.maybe_text("old", 0, kLongestField);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (auto good = check_password(fresh.reveal(), principal.name, state->options.password_min); !good)
    co_return fail(std::move(good.error()));

  auto find = [id = principal.user.str()](soci::session& sql) -> Result<std::optional<sql::User>> {
    return sql::user_by_id(sql, id);
  };
  const auto user = co_await state->store.read(std::move(find));
  if (!user) co_return fail(user.error());
  if (!*user) co_return fail(Code::kUnauthenticated, "not-signed-in", "This account is gone.");
  if (auto right = co_await check_old_password(state, principal, **user, std::move(old), "old"); !right)
    co_return fail(std::move(right.error()));
  const auto hash = co_await state->hasher.hash(std::move(fresh));
  if (!hash) co_return fail(hash.error());

  const auto value = new_random_value();
  auto work = [id = (*user)->id, old_hash = (*user)->password_hash, hash = *hash, keep = principal.session,
               fresh_id = fingerprint(value.reveal()), actor = actor_of(*state, request),
               now = state->clock.now()](soci::session& sql) -> Result<std::optional<TimePoint>> {
    if (!sql::replace_password(sql, id, old_hash, hash)) {
      return fail(Code::kConflict, "password-changed", "The password was changed by somebody else in this moment.");
    }
    sql::end_sessions_and_links(sql, id, keep);
    if (!old_hash.empty()) sql::prove_session(sql, keep, now);
    if (auto recorded = bus::record(sql, event_of(events::kUserPassword, actor, id)); !recorded)
      return fail(std::move(recorded.error()));
    return sql::rename_session(sql, keep, fresh_id);
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  state->cache.forget_user(principal.user);
  log::info("identity", "password changed", {{"user", principal.user.str()}});
  auto response = http::Response::empty(204);
  if (*done) {
    // Whoever knows the cookie of before knows nothing any more (ASVS 5.0, 7.2.4).
    const auto lives = std::chrono::floor<std::chrono::seconds>(**done - state->clock.now());
    response.headers.add("Set-Cookie",
                         session_cookie(came_over_tls(request, state->trusted_proxies), value.reveal(), lives));
  }
  co_return response;
}

/// {"email"} with the password, where there is one: a borrowed session must not be a way to take the account over.
asio::awaitable<Answered> change_me(StatePtr state, http::Request request) {
  const auto principal = principal_of(request);
  if (principal.kind != "user") co_return fail(Code::kForbidden, "forbidden", "Only accounts have an e-mail address.");
  http::Body body(request.body);
  const bool cleared = body.is_null("email");
  const auto address = cleared ? body.maybe_text("email", 0, 0).value_or("") : body.text("email", 0, kLongestField);
  auto password = body.maybe_text("password", 0, kLongestField);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (!address.empty()) {
    if (auto good = check_email(address); !good) co_return fail(std::move(good.error()));
  }
  auto find = [id = principal.user.str()](soci::session& sql) -> Result<std::optional<sql::User>> {
    return sql::user_by_id(sql, id);
  };
  const auto user = co_await state->store.read(std::move(find));
  if (!user) co_return fail(user.error());
  if (!*user) co_return fail(Code::kUnauthenticated, "not-signed-in", "This account is gone.");
  if (auto right = co_await check_old_password(state, principal, **user, std::move(password), "password"); !right)
    co_return fail(std::move(right.error()));
  auto work = [id = principal.user.str(), address,
               actor = actor_of(*state, request)](soci::session& sql) -> Result<sql::User> {
    auto now = sql::user_by_id(sql, id);
    if (!now) return fail(Code::kUnauthenticated, "not-signed-in", "This account is gone.");
    now->email = address;
    if (auto written = sql::update_user(sql, *now); !written) return fail(std::move(written.error()));
    if (auto recorded = bus::record(sql, event_of(events::kUserChanged, actor, id, {{"email", true}})); !recorded)
      return fail(std::move(recorded.error()));
    return *now;
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  state->cache.forget_user(principal.user);
  auto changed = principal;
  changed.email = address;
  auto me = co_await me_json(state, std::move(changed));
  co_return json_answer(200, me);
}

/// {"strategy", and "password" or "token"}: as for a sign-in, and no other session.
asio::awaitable<Answered> prove_me(StatePtr state, http::Request request) {
  http::Body body(request.body);
  const auto strategy = body.text("strategy", 0, kLongestField);
  for (const auto* name : {"password", "token"}) body.any(name);  // the strategy's
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (strategy == "oidc") {
    co_return fail(Code::kInvalid, "invalid-body",
                   "A provider is asked in the browser: go to /api/v1/auth/oidc/NAME/start?again=1.");
  }
  auto work = prove_by(state, body.object(), visitor_of(*state, request), principal_of(request));
  auto done = co_await std::move(work);
  if (!done) co_return fail(std::move(done.error()));
  co_return http::Response::empty(204);
}

json::object token_json(const sql::Token& token) {
  json::object body;
  body["id"] = token.id;
  body["name"] = token.name;
  body["scopes"] = scopes_json(scopes_from(token.scopes));
  body["created_at"] = time_json(token.created_at);
  body["last_used_at"] = time_json(token.last_used_at);
  body["expires_at"] = time_json(token.expires_at);
  return body;
}

asio::awaitable<Answered> list_tokens(StatePtr state, http::Request request) {
  auto work = [id = principal_of(request).user.str()](soci::session& sql) -> Result<std::vector<sql::Token>> {
    return sql::tokens_of(sql, id);
  };
  auto tokens = co_await state->store.read(std::move(work));
  if (!tokens) co_return fail(std::move(tokens.error()));
  json::array items;
  for (auto& token : *tokens) {
    // The write of a use that was just now may still be on its way.
    const auto* known = state->cache.find(token_key(token.hash), state->clock.now());
    if (known != nullptr) token.last_used_at = std::max(token.last_used_at, known->touched);
    items.push_back(token_json(token));
  }
  co_return http::page_answer(std::move(items));
}

/// The scopes that are asked for; without any, all that who asks has himself. Never more than those.
Result<unsigned> read_scopes(const std::optional<std::vector<std::string>>& words, unsigned own) {
  if (!words) return own;
  if (words->empty()) return fail(Code::kInvalid, "invalid-body", "'scopes' must name at least one scope.");
  unsigned scopes = 0;
  for (const auto& word : *words) {
    auto scope = parse_scope(word);
    if (!scope) return fail(std::move(scope.error()));
    scopes |= static_cast<unsigned>(*scope);
  }
  if ((scopes & ~own) != 0)
    return fail(Code::kForbidden, "scope-missing", "A token cannot give what it may not do itself.");
  return scopes;
}

/// Name, scopes and end of a token that somebody wants.
Result<sql::Token> read_token(std::string_view bytes, unsigned own, TimePoint now) {
  http::Body body(bytes);
  sql::Token token;
  token.id = new_ulid();
  token.name = body.text("name", 0, kLongestField);
  token.created_at = now;
  const auto words = body.maybe_texts("scopes", 100, 100);
  if (const auto lives = body.maybe_number("expires_in_s", 1, kLongestToken))
    token.expires_at = now + std::chrono::seconds{*lives};
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  if (auto good = check_name("name", token.name, kLongestTokenName); !good) return fail(std::move(good.error()));
  const auto scopes = read_scopes(words, own);
  if (!scopes) return fail(scopes.error());
  token.scopes = scopes_text(*scopes);
  return token;
}

Result<> keep_token(soci::session& sql, const sql::Token& token, bool service, const bus::Actor& actor) {
  if (service) sql::ensure_user(sql, service_user());
  if (const int count = sql::count_tokens(sql, token.user_id); count >= kMostTokens) {
    return fail(
        Error{Code::kLimited, "limit-reached", fmt::format("You have {} tokens; revoke one first.", count), {}, {}}
            .with("limit", std::to_string(kMostTokens))
            .with("current", std::to_string(count)));
  }
  sql::insert_token(sql, token);
  return bus::record(sql, event_of(events::kTokenCreated, actor, token.user_id,
                                   {{"name", token.name}, {"id", token.id}, {"scopes", token.scopes}}));
}

asio::awaitable<Answered> create_token(StatePtr state, http::Request request) {
  const auto principal = principal_of(request);
  // A token works from everywhere, a seat only from its address.
  if (principal.kind == "address")
    co_return fail(Code::kForbidden, "forbidden", "A seat without an account cannot have tokens.");
  auto token = read_token(request.body, principal.scopes, state->clock.now());
  if (!token) co_return fail(std::move(token.error()));
  const auto secret = new_token();
  token->hash = fingerprint(secret.reveal());
  token->user_id = principal.user.str();
  auto work = [token = *token, service = principal.kind == "service", actor = actor_of(*state, request)](
                  soci::session& sql) { return keep_token(sql, token, service, actor); };
  const auto kept = co_await state->store.write(std::move(work));
  if (!kept) co_return fail(kept.error());
  log::info("identity", "token made", {{"user", principal.user.str()}, {"id", token->id}});
  auto answer = token_json(*token);
  answer["token"] = secret.reveal();
  auto response = json_answer(201, answer);
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

asio::awaitable<Answered> revoke_token(StatePtr state, http::Request request) {
  const auto principal = principal_of(request);
  auto work = [id = std::string(request.param("id")), user = principal.user.str(),
               actor = actor_of(*state, request)](soci::session& sql) -> Result<> {
    if (sql::delete_token(sql, id, user))
      return bus::record(sql, event_of(events::kTokenRevoked, actor, user, {{"id", id}}));
    return fail(Code::kNotFound, "token-unknown", "You have no such token.");
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(done.error());
  // The sessions made with it are gone too, so all that is remembered of the user goes.
  state->cache.forget_user(principal.user);
  log::info("identity", "token revoked", {{"user", principal.user.str()}, {"id", std::string(request.param("id"))}});
  co_return http::Response::empty(204);
}

}  // namespace

void add_me_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "GET", "/api/v1/me", {Access::kSignedIn, Scope::kRead, Whose::kSelf}, {"profile-read"}, me);
  add_route(state, routes, "PATCH", "/api/v1/me", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"profile-change"}, change_me);
  add_route(state, routes, "PUT", "/api/v1/me/password", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"password-change"}, set_password);
  add_route(state, routes, "POST", "/api/v1/me/proof", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"password-change"}, prove_me);
  add_route(state, routes, "GET", "/api/v1/me/tokens", {Access::kSignedIn, Scope::kAccount, Whose::kSelf},
            {"profile-read"}, list_tokens);
  add_route(state, routes, "POST", "/api/v1/me/tokens",
            {Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh}, {"token-create"}, create_token);
  add_route(state, routes, "DELETE", "/api/v1/me/tokens/{id}",
            {Access::kSignedIn, Scope::kAccount, Whose::kSelf, Proof::kFresh}, {"token-revoke"}, revoke_token);
}

}  // namespace tiltyard::identity
