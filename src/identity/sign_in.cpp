// From a proof to a session: what every way of signing in has in common.
#include <fmt/core.h>

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "bus/event_log.h"
#include "identity/names.h"
#include "identity/secrets.h"
#include "identity/state.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestAgent = 200;   ///< bytes
constexpr std::chrono::days kKnownFor{180};  ///< a browser that nobody signs in with any more

/// What a sign-in leaves behind: the session's row, and the cookie's value that nobody else has.
struct Opened {
  sql::User user;
  sql::Session session;
  std::string scopes;
};

/// One transaction: who it is, the end of the session that the browser had (so that a value planted before the sign-in
/// is worth nothing after it), the new session, and the record of it.
Result<Opened> open_session(soci::session& sql, const Admission& admission, sql::Session session,
                            const std::string& old_session) {
  auto user = admission.admit(sql);
  if (!user) return fail(std::move(user.error()));
  if (user->disabled_at != sql::kNever) return credentials_wrong("disabled user");
  if (!old_session.empty()) sql::delete_session(sql, old_session);
  sql::delete_expired(sql, session.created_at);
  session.user_id = user->id;
  session.token_id = admission.token_id;
  sql::insert_session(sql, session);
  sql::signed_in(sql, user->id, session.created_at);
  auto event = event_of(events::kLogin, bus::Actor(user->name, user->id, session.address), user->id,
                        {{"strategy", session.strategy}, {"agent", session.agent}});
  event.at = session.created_at;
  event.owner = user->team_id.empty() ? user->id : user->team_id;
  if (auto recorded = bus::record(sql, event); !recorded) return fail(std::move(recorded.error()));
  return Opened{std::move(*user), std::move(session), admission.scopes};
}

sql::Session new_session(const Service::State& state, const Admission& admission, const Secret& value,
                         std::string_view strategy, const Visitor& visitor) {
  sql::Session session;
  session.id = fingerprint(value.reveal());
  session.strategy = admission.token_id.starts_with(kServiceId) ? "admin-token" : std::string(strategy);
  session.address = visitor.address;
  session.agent = visitor.agent;
  session.created_at = state.clock.now();
  session.expires_at = std::min(session.created_at + state.options.session_length, admission.ends);
  session.proved_at = std::min(session.created_at, admission.proved);
  return session;
}

asio::awaitable<Result<Admission>> check_strategy(StatePtr state, json::object body, Visitor visitor) {
  auto name = text_field(body, "strategy");
  if (!name) co_return fail(std::move(name.error()));
  auto* strategy = state->strategy(*name);
  if (strategy == nullptr)
    co_return fail(Code::kInvalid, "invalid-body", "The strategy is local, token, address, ctfd or link.");
  if (!state->on(*name))
    co_return fail(Code::kForbidden, "forbidden", fmt::format("Signing in by \"{}\" is switched off here.", *name));
  // Behind such a proxy everybody would be at the one seat that is the proxy's.
  if (*name == "address" && visitor.by_a_stranger) {
    co_return fail(
        Code::kForbidden, "forbidden",
        "The request has come by a proxy that this server does not know, so that nobody's seat can be told. Its "
        "operator names the proxy in server.trusted_proxies.");
  }
  SignInRequest attempt{std::move(body), visitor.client, std::move(visitor.device), state->clock.now()};
  co_return co_await strategy->check(std::move(attempt));
}

/// The name that a refused sign-in was for, if it is one that could be written down.
std::string claimed_name(const json::object& body) {
  const auto* name = body.if_contains("name");
  if (name == nullptr || !name->is_string()) return {};
  const std::string text(name->get_string());
  return check_name("name", text) ? text : std::string();
}

}  // namespace

/// RFC 6265: one session cookie for the whole host, out of reach of scripts and of other sites.
std::string session_cookie(bool secure, std::string_view value, std::chrono::seconds lives) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", cookie_name(secure), value,
                     lives.count(), secure ? "; Secure" : "");
}

/// Whose browser this is, for the next time; nobody's is the admin token's.
std::string device_cookie(const Service::State& state, bool secure, const sql::User& user) {
  if (user.id == kServiceId) return {};
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", device_cookie_name(secure),
                     state.devices.issue(sql::name_key("user", user.name)), std::chrono::seconds(kKnownFor).count(),
                     secure ? "; Secure" : "");
}

std::string site_url(const Service::State& state, const http::Request& request) {
  auto site = state.options.public_url;
  while (site.ends_with('/')) site.pop_back();
  if (!site.empty()) return site;
  const auto host = request.headers.get("Host");
  return fmt::format("{}://{}", came_over_tls(request, state.trusted_proxies) ? "https" : "http",
                     host.empty() ? "localhost" : host);
}

bus::Event event_of(bus::KindRef kind, bus::Actor actor, std::string subject, json::object detail) {
  bus::Event event;
  event.kind = kind;
  event.actor = std::move(actor);
  event.subject = std::move(subject);
  event.detail = json::serialize(detail);
  return event;
}

bus::Actor actor_of(const Service::State& state, const http::Request& request) {
  const auto client = client_address(request, state.trusted_proxies);
  const auto* who = std::any_cast<std::shared_ptr<const Principal>>(&request.principal);
  const bool known = who != nullptr && *who != nullptr;
  return {known ? (*who)->name : std::string(), known ? (*who)->user.str() : std::string(),
          client ? client->to_string() : std::string()};
}

Visitor visitor_of(const Service::State& state, const http::Request& request) {
  Visitor visitor;
  visitor.client = client_address(request, state.trusted_proxies);
  if (visitor.client) visitor.address = visitor.client->to_string();
  for (const char c : request.headers.get("User-Agent").substr(0, kLongestAgent))
    visitor.agent += c >= ' ' && c < 0x7F ? c : '?';
  visitor.secure = came_over_tls(request, state.trusted_proxies);
  visitor.by_a_stranger = comes_by_a_stranger(request, state.trusted_proxies);
  const std::string old_value(request.cookie(cookie_name(visitor.secure)));
  if (looks_like_random_value(old_value)) visitor.old_session = fingerprint(old_value);
  visitor.device = state.devices.read(request.cookie(device_cookie_name(visitor.secure)));
  return visitor;
}

void note_refusal(const Service::State& state, const Visitor& visitor, std::string_view strategy,
                  const std::string& name, const Error& error) {
  if (!state.options.note || error.code == Code::kUnavailable || error.code == Code::kInvalid) return;
  state.options.note(event_of(events::kLoginFailed, bus::Actor(name, "", visitor.address), "",
                              {{"strategy", strategy}, {"reason", error.reason}}));
}

asio::awaitable<Result<SignedIn>> open_session_for(StatePtr state, Admission admission, std::string strategy,
                                                   Visitor visitor) {
  const auto value = new_random_value();
  const auto session = new_session(*state, admission, value, strategy, visitor);
  auto work = [admission = std::move(admission), session, old = visitor.old_session](soci::session& sql) {
    return open_session(sql, admission, session, old);
  };
  auto opened = co_await state->store.write(std::move(work));
  if (!opened) co_return fail(std::move(opened.error()));
  if (!visitor.old_session.empty()) state->cache.forget(session_key(visitor.old_session));
  // The way in may have changed the role, ended other sessions, or brought a team.
  state->cache.forget_user(UserId(opened->user.id));
  state->has_team.reset();
  auto principal = make_principal(opened->user, session.strategy, session.id);
  if (state->options.teams == TeamMode::kOff) principal.team.reset();
  principal.scopes = scopes_from(opened->scopes);
  principal.access = session_key(session.id);
  principal.proved = session.proved_at;
  log::info("identity", "signed in",
            {{"user", principal.user.str()}, {"strategy", principal.strategy}, {"address", visitor.address}});
  const auto lives = std::chrono::floor<std::chrono::seconds>(session.expires_at - session.created_at);
  SignedIn done{std::move(principal), {session_cookie(visitor.secure, value.reveal(), lives)}};
  if (auto known = device_cookie(*state, visitor.secure, opened->user); !known.empty())
    done.cookies.push_back(std::move(known));
  co_return done;
}

namespace {

/// The same proof as for a sign-in, of the same person; the session stays, and what runs on it goes on.
asio::awaitable<Result<>> prove(StatePtr state, json::object body, Visitor visitor, Principal who) {
  auto admission = co_await check_strategy(state, body, visitor);
  if (!admission) co_return fail(std::move(admission.error()));
  auto event = event_of(events::kLogin, bus::Actor(who.name, who.user.str(), visitor.address), who.user.str(),
                        {{"strategy", body.at("strategy")}, {"again", true}});
  event.owner = who.owner();
  auto work = [admission = std::move(*admission), event, who,
               now = state->clock.now()](soci::session& sql) -> Result<> {
    const auto user = admission.admit(sql);
    if (!user) return fail(user.error());
    if (user->id != who.user.str() || user->disabled_at != sql::kNever)
      return credentials_wrong("the proof is of somebody else");
    sql::prove_session(sql, who.session, std::min(now, admission.proved));
    return bus::record(sql, event);
  };
  auto done = co_await state->store.write(std::move(work));
  // The way in may have changed the role, or brought a team.
  if (done) state->cache.forget_user(who.user);
  co_return done;
}

}  // namespace

asio::awaitable<Result<>> prove_by(StatePtr state, json::object body, Visitor visitor, Principal who) {
  if (const auto* strategy = body.if_contains("strategy");
      strategy != nullptr && strategy->is_string() && strategy->get_string() == "local") {
    body["name"] = who.name;
  }
  auto work = prove(state, std::move(body), visitor, who);
  auto done = co_await std::move(work);
  if (!done) note_refusal(*state, visitor, "again", who.name, done.error());
  co_return done;
}

json::array proofs_of(const Service::State& state, const Principal& who) {
  json::array ways;
  if (who.has_password && state.on("local")) ways.emplace_back("local");
  if (who.strategy == "token" || who.strategy == "admin-token") ways.emplace_back("token");
  if (who.strategy == "ctfd" || who.strategy == "oidc") ways.emplace_back(who.strategy);
  return ways;
}

bool proves_itself(const Principal& who) { return !who.access.starts_with("s:") || who.strategy == "address"; }

Result<> check_proof(const Service::State& state, const Principal& who) {
  if (proves_itself(who) || state.clock.now() - who.proved < state.options.proof_for) return {};
  if (proofs_of(state, who).empty()) {
    return fail(Code::kForbidden, "sign-in-again",
                "You have been signed in for a while, and this account has no password to ask for. Ask the staff for a "
                "new link, and sign in by it.");
  }
  return fail(Code::kForbidden, "sign-in-again",
              "You have been signed in for a while. Show once more that it is you: sign in again, or send your "
              "password or token to /api/v1/me/proof.");
}

asio::awaitable<Result<SignedIn>> sign_in_by(StatePtr state, json::object body, Visitor visitor) {
  auto admission = co_await check_strategy(state, body, visitor);
  const auto* named = body.if_contains("strategy");
  const auto strategy = named != nullptr && named->is_string() ? std::string(named->get_string()) : std::string();
  Result<SignedIn> done;
  if (admission) done = co_await open_session_for(state, std::move(*admission), strategy, visitor);
  else done = fail(std::move(admission.error()));
  if (!done) {
    log::info("identity", "sign-in refused",
              {{"reason", done.error().reason}, {"cause", done.error().cause}, {"address", visitor.address}});
    note_refusal(*state, visitor, strategy.substr(0, 20), claimed_name(body), done.error());
  }
  co_return done;
}

}  // namespace tiltyard::identity
