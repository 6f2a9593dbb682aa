// From a request to a principal: bearer token or session cookie, CSRF, access level.
#include <fmt/core.h>
#include <boost/asio/this_coro.hpp>

#include "base/text.h"
#include "identity/ctfd.h"
#include "identity/scopes.h"
#include "identity/secrets.h"
#include "identity/state.h"
#include "net/hosts.h"
#include "net/text.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

constexpr Duration kTouchEvery = std::chrono::minutes{1};

using Found = std::shared_ptr<const Principal>;

std::unexpected<Error> not_signed_in(std::string message, std::string cause = {}) {
  return fail(Code::kUnauthenticated, "not-signed-in", std::move(message), std::move(cause));
}

/// The credential of "Authorization: Bearer …" (RFC 6750, 2.1) or, as CTFd's own clients write, "Token …"; or an empty
/// text.
std::string_view bearer(const http::Request& request) {
  const auto field = request.headers.get("Authorization");
  const auto space = field.find(' ');
  if (space == std::string_view::npos) return {};
  const auto scheme = field.substr(0, space);
  if (!same_text(scheme, "bearer") && !same_text(scheme, "token")) return {};
  const auto start = field.find_first_not_of(' ', space);
  return start == std::string_view::npos ? std::string_view() : field.substr(start);
}

bool safe_method(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

bool wants_websocket(const http::Request& request) { return same_text(request.headers.get("Upgrade"), "websocket"); }

/// A cookie comes along whoever made the browser ask; so the page says with a header that it was the page. A WebSocket
/// cannot carry that header and is not bound by CORS: its Origin must be ours (RFC 6455, 10.2).
Result<> check_cookie_request(const http::Request& request) {
  if (wants_websocket(request)) {
    if (request.headers.has("Origin")) return check_same_origin(request);
    return fail(Code::kForbidden, "csrf", "A WebSocket that is signed in by cookie must say its Origin.");
  }
  if (safe_method(request.method)) return {};
  if (!request.headers.has("X-Tiltyard-Csrf")) {
    return fail(Code::kForbidden, "csrf",
                "A request that changes something and is signed in by cookie needs the header X-Tiltyard-Csrf.");
  }
  return check_same_origin(request);
}

/// A secret in an address ends up in logs, histories and Referer fields (RFC 6750, 5.3): it is not looked at, and its
/// owner is told.
Result<> check_query(const http::Request& request) {
  if (request.query.empty()) return {};
  for (const auto* name : {"token", "access_token", "api_key", "apikey", "auth"}) {
    if (request.query_value(name).empty()) continue;
    return fail(Code::kInvalid, "token-in-query",
                fmt::format("A token does not belong into the address (\"{}\"): send Authorization: Bearer ty_…, and "
                            "revoke the one that you sent.",
                            name));
  }
  return {};
}

/// "Last used" is worth a line at most once a minute, and never a failed request.
asio::awaitable<void> touch(StatePtr state, bool session, std::string id, TimePoint now) {
  auto work = [session, id, now](soci::session& sql) -> Result<> {
    if (session) {
      sql::touch_session(sql, id, now);
    } else {
      sql::touch_token(sql, id, now);
    }
    return {};
  };
  const auto done = co_await state->store.write(std::move(work));
  if (!done) log::warn("identity", "could not note the last use", {{"reason", done.error().reason}});
}

asio::awaitable<void> touch_if_due(StatePtr state, PrincipalCache::Entry* entry, bool session, std::string id) {
  const auto now = state->clock.now();
  if (now - entry->touched < kTouchEvery) co_return;
  entry->touched = now;
  const auto executor = co_await asio::this_coro::executor;
  state->gate.spawn(executor, "last used", touch(state, session, std::move(id), now));
}

struct Loaded {
  sql::User user;
  std::string strategy, id, token_id;
  TimePoint ends, touched;
  std::string scopes;
  TimePoint proved = sql::kNever;
};

/// A session that was opened with a token may do no more than the token.
std::string scopes_of_session(soci::session& sql, const sql::Session& session) {
  if (session.token_id.empty() || session.token_id.starts_with(kServiceId)) return {};
  for (const auto& token : sql::tokens_of(sql, session.user_id)) {
    if (token.id == session.token_id) return token.scopes;
  }
  return {};
}

Result<std::optional<Loaded>> load_session(soci::session& sql, const std::string& id, TimePoint now) {
  const auto session = sql::live_session(sql, id, now);
  if (!session) return std::nullopt;
  auto user = sql::user_by_id(sql, session->user_id);
  if (!user) return std::nullopt;
  return Loaded{*user,
                session->strategy,
                id,
                session->token_id,
                session->expires_at,
                session->last_seen_at,
                scopes_of_session(sql, *session),
                session->proved_at};
}

Result<std::optional<Loaded>> load_token(soci::session& sql, const std::string& hash, TimePoint now) {
  const auto token = sql::live_token(sql, hash, now);
  if (!token) return std::nullopt;
  auto user = sql::user_by_id(sql, token->user_id);
  if (!user) return std::nullopt;
  const auto ends = token->expires_at == sql::kNever ? TimePoint::max() : token->expires_at;
  return Loaded{*user, "token", token->id, {}, ends, token->last_used_at, token->scopes};
}

/// Whether what the database has is still good under today's configuration.
bool still_allowed(const Service::State& state, const Loaded& loaded) {
  if (loaded.user.disabled_at != sql::kNever) return false;
  if (!state.on(loaded.strategy)) return false;
  return !loaded.token_id.starts_with(kServiceId) || loaded.token_id == admin_token_id(state.admin_token);
}

asio::awaitable<Result<Found>> look_up(StatePtr state, std::string key, std::string id, bool session) {
  const auto now = state->clock.now();
  const auto generation = state->cache.generation();
  auto read = [id, now, session](soci::session& sql) {
    return session ? load_session(sql, id, now) : load_token(sql, id, now);
  };
  auto loaded = co_await state->store.read(std::move(read));
  if (!loaded) co_return fail(std::move(loaded.error()));
  if (!*loaded || !still_allowed(*state, **loaded)) co_return Found();
  auto& row = **loaded;
  auto made = make_principal(row.user, row.strategy, row.id);
  if (state->options.teams == TeamMode::kOff) made.team.reset();
  made.scopes = scopes_from(row.scopes);
  made.access = key;
  made.proved = row.proved;
  auto principal = std::make_shared<const Principal>(std::move(made));
  PrincipalCache::Entry entry{principal, row.ends, row.touched};
  state->cache.put(key, std::move(entry), now, generation);
  co_return principal;
}

/// The principal of a session or token, from the cache or the database; empty: there is none (any more).
asio::awaitable<Result<Found>> find(StatePtr state, std::string key, std::string id, bool session) {
  auto* entry = state->cache.find(key, state->clock.now());
  if (entry == nullptr) {
    auto found = co_await look_up(state, key, id, session);
    if (!found || !*found) co_return found;
    entry = state->cache.find(key, state->clock.now());
    // Not kept: something was revoked while we read. Believe it only after reading again.
    if (entry == nullptr) co_return co_await look_up(state, key, id, session);
  }
  auto principal = entry->principal;
  co_await touch_if_due(state, entry, session, std::move(id));
  co_return principal;
}

/// A CTFd's token: who it is says the CTFd, or what it has said within the last minute.
asio::awaitable<Result<Found>> by_ctfd(StatePtr state, std::string token, std::string address) {
  const auto now = state->clock.now();
  const auto key = ctfd_key(fingerprint(token));
  if (auto* entry = state->cache.find(key, now); entry != nullptr) co_return entry->principal;
  const auto attempt = "ctfd|" + address;
  const bool counted = !state->ctfd->known(token);
  if (counted) {
    if (auto free = state->outside_attempts.begin(attempt, now); !free) co_return fail(std::move(free.error()));
  }
  auto who = co_await state->ctfd->who(std::move(token));
  if (counted && who) state->outside_attempts.succeeded(attempt);
  if (counted && !who && who.error().code != Code::kUnauthenticated) state->outside_attempts.withdraw(attempt);
  if (!who) co_return fail(std::move(who.error()));
  const auto generation = state->cache.generation();
  auto work = [who = *who, now](soci::session& sql) { return sql::admit_outside(sql, who, now); };
  auto user = co_await state->store.write(std::move(work));
  if (!user) co_return fail(std::move(user.error()));
  state->has_team.reset();
  if (user->disabled_at != sql::kNever) co_return not_signed_in("This account is switched off.");
  auto made = make_principal(*user, "ctfd", "");
  if (state->options.teams == TeamMode::kOff) made.team.reset();
  made.access = key;
  auto principal = std::make_shared<const Principal>(std::move(made));
  PrincipalCache::Entry entry{principal, now + Ctfd::kBelievedFor, now};
  state->cache.put(key, std::move(entry), now, generation);
  co_return principal;
}

asio::awaitable<Result<Found>> by_bearer(StatePtr state, std::string secret, std::string address) {
  const auto wrong = "This token does not work: it is mistyped, revoked or expired.";
  if (!state->admin_token.empty() && state->admin_token.equals(secret)) co_return state->service;
  if (state->ctfd && Ctfd::looks_like_token(secret)) {
    auto outside = by_ctfd(state, std::move(secret), std::move(address));
    co_return co_await std::move(outside);
  }
  if (!looks_like_token(secret) || !state->on("token")) co_return not_signed_in(wrong);
  auto hash = fingerprint(secret);
  auto key = token_key(hash);
  auto found = co_await find(state, std::move(key), std::move(hash), false);
  if (found && !*found) co_return not_signed_in(wrong);
  co_return found;
}

asio::awaitable<Result<Found>> by_cookie(StatePtr state, std::string value, std::string address) {
  const auto ended = "You are not signed in, or the session has ended. Sign in again.";
  if (!looks_like_random_value(value)) co_return not_signed_in(ended);
  auto id = fingerprint(value);
  const auto key = session_key(id);
  auto found = co_await find(state, key, std::move(id), true);
  if (!found) co_return found;
  if (!*found) co_return not_signed_in(ended);
  // A seat is its address: its session is worth nothing elsewhere, nor once the hall has moved.
  if ((*found)->strategy == "address") {
    const auto here = parse_address(address);
    if (!here || !state->hall.contains(*here) || (*found)->user.str() != seat_id(*here)) {
      co_return not_signed_in("This session belongs to another seat. Sign in again.");
    }
  }
  co_return found;
}

Result<> check_access(const Principal& principal, http::Access access, Scope scope) {
  const auto least = least_role(access);
  if (least && !principal.at_least(*least)) {
    return fail(Code::kForbidden, "forbidden",
                fmt::format("This needs the role {}; yours is {}.", to_string(*least), to_string(principal.role)));
  }
  if (principal.may(scope)) return {};
  return fail(Error{
      Code::kForbidden,
      "scope-missing",
      fmt::format("This token may not do that: it was made without the scope \"{}\". Make one that has it.",
                  to_string(scope)),
      {},
      {}}.with("scope", std::string(to_string(scope))));
}

/// Who plays in teams needs one; staff look after everybody and need none.
asio::awaitable<Result<>> check_team(StatePtr state, Found who) {
  if (who->team || who->at_least(Role::kAuthor)) co_return Result<>{};
  const auto on = co_await teams_are_on(state);
  if (!on) co_return fail(on.error());
  if (!*on) co_return Result<>{};
  co_return fail(Code::kForbidden, "team-missing",
                 "This range is played in teams and you are in none. Ask a member of your team for its code and enter "
                 "it on your account's page, or ask the staff.");
}

void note_failure(const Service::State& state, const http::Request& request, const Error& error, const Principal* who) {
  if (!state.options.note || error.code == Code::kUnavailable) return;
  // A browser that is not signed in yet asks who it is: no failure worth a line.
  if (who == nullptr && !request.headers.has("Authorization") && !request.headers.has("Cookie")) return;
  bus::Actor actor(who != nullptr ? who->name : "", who != nullptr ? who->user.str() : "", request.client_address);
  state.options.note(event_of(events::kAuthFailed, std::move(actor), "",
                              {{"reason", error.reason}, {"method", request.method}, {"path", request.path}}));
}

}  // namespace

std::string_view cookie_name(bool secure) { return secure ? kSecureCookie : kPlainCookie; }

std::string_view device_cookie_name(bool secure) { return secure ? "__Host-tiltyard-device" : "tiltyard-device"; }

Result<> check_same_origin(const http::Request& request) {
  const auto foreign = [] {
    return fail(Code::kForbidden, "csrf", "The request was made by a page of another origin.");
  };
  const auto site = request.headers.get("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") return foreign();
  if (!request.headers.has("Origin")) return {};
  return http::same_origin(request.headers, request.secure) ? Result<>{} : foreign();
}

namespace {

asio::awaitable<Result<Found>> find_caller(StatePtr state, const http::Request& request) {
  if (request.headers.has("Authorization")) {
    std::string secret(bearer(request));
    std::string from = request.client_address;
    auto work = by_bearer(state, std::move(secret), std::move(from));
    co_return co_await std::move(work);
  }
  const bool secure = came_over_tls(request, state->trusted_proxies);
  std::string value(request.cookie(cookie_name(secure)));
  if (value.empty()) co_return not_signed_in("Sign in, or send a token: Authorization: Bearer ty_…");
  std::string address = request.client_address;
  auto found = co_await by_cookie(state, std::move(value), std::move(address));
  if (found) {
    if (auto ours = check_cookie_request(request); !ours) co_return fail(std::move(ours.error()));
  }
  co_return found;
}

}  // namespace

asio::awaitable<Result<std::shared_ptr<const Principal>>> principal_now(StatePtr state, std::string access) {
  if (access.empty()) co_return state->service;
  if (auto* entry = state->cache.find(access, state->clock.now()); entry != nullptr) co_return entry->principal;
  const auto id = access.substr(2);
  if (access.starts_with("c:")) co_return Found();
  const bool session = access.starts_with("s:");
  auto work = look_up(state, std::move(access), id, session);
  co_return co_await std::move(work);
}

asio::awaitable<Result<bool>> teams_are_on(StatePtr state) {
  if (state->options.teams != TeamMode::kAuto) co_return state->options.teams == TeamMode::kOn;
  if (state->has_team) co_return *state->has_team;
  auto work = [](soci::session& sql) -> Result<bool> { return sql::anybody_in_a_team(sql); };
  auto any = co_await state->store.read(std::move(work));
  if (any) state->has_team = *any;
  co_return any;
}

void note_address(const Service::State& state, http::Request& request) {
  const auto client = client_address(request, state.trusted_proxies);
  request.client_address = client ? http::address_text(*client) : std::string();
}

asio::awaitable<Result<>> authorise_request(StatePtr state, http::Request& request, house::Rights needs) {
  if (request.client_address.empty()) note_address(*state, request);
  if (auto clean = check_query(request); !clean) co_return fail(std::move(clean.error()));
  if (needs.access == http::Access::kOpen) co_return Result<>{};
  auto found = co_await find_caller(state, request);
  if (!found) {
    note_failure(*state, request, found.error(), nullptr);
    co_return fail(std::move(found.error()));
  }
  auto allowed = check_access(**found, needs.access, needs.scope);
  if (allowed && needs.whose == house::Whose::kOwner) {
    auto team = check_team(state, *found);
    allowed = co_await std::move(team);
  }
  if (allowed && needs.proof == house::Proof::kFresh) allowed = check_proof(*state, **found);
  if (!allowed) {
    note_failure(*state, request, allowed.error(), found->get());
    co_return fail(std::move(allowed.error()));
  }
  set_principal(request, std::move(*found));
  co_return Result<>{};
}

}  // namespace tiltyard::identity
