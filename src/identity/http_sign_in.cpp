// /api/v1/auth and /api/v1/session: what a sign-in page needs, signing in and out.
#include <fmt/core.h>

#include "bus/event_log.h"
#include "identity/oidc.h"
#include "identity/state.h"
#include "net/body.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

using Answered = Result<http::Response>;

std::string_view registration_text(Registration registration) {
  switch (registration) {
    case Registration::kOff:
      return "off";
    case Registration::kInvite:
      return "invite";
    case Registration::kOpen:
      return "open";
  }
  return "off";
}

asio::awaitable<Answered> auth(StatePtr state, http::Request) {
  auto work = [](soci::session& session) -> Result<bool> { return sql::set_up(session); };
  const auto ready = co_await state->store.read(std::move(work));
  if (!ready) co_return fail(ready.error());
  json::array strategies;
  for (const auto& name : state->options.strategies) strategies.emplace_back(name);
  json::array providers;
  for (const auto& [name, provider] : state->providers)
    providers.push_back(json::object{{"name", name}, {"title", provider->options().title}});
  json::object body;
  body["strategies"] = std::move(strategies);
  body["providers"] = std::move(providers);
  body["registration"] = state->on("local") ? registration_text(state->options.registration) : "off";
  body["confirm_mail"] = state->options.confirm_mail && state->options.mail != nullptr;
  body["reset"] = state->on("local") && state->options.mail != nullptr;
  body["needs_setup"] = !*ready;
  body["name"] = state->options.site_name;
  body["version"] = state->options.version;
  co_return json_answer(200, body);
}

asio::awaitable<Answered> sign_in(StatePtr state, http::Request request) {
  if (auto ours = check_same_origin(request); !ours) co_return fail(std::move(ours.error()));
  auto body = http::json_object(request.body);
  if (!body) co_return fail(std::move(body.error()));
  if (const auto* strategy = body->if_contains("strategy");
      strategy != nullptr && strategy->is_string() && strategy->get_string() == "oidc") {
    co_return fail(Code::kInvalid, "invalid-body",
                   "Providers are signed in with in the browser: go to /api/v1/auth/oidc/NAME/start.");
  }
  auto visitor = visitor_of(*state, request);
  auto work = sign_in_by(state, std::move(*body), std::move(visitor));
  auto done = co_await std::move(work);
  if (!done) co_return fail(std::move(done.error()));
  auto me = co_await me_json(state, done->principal);
  auto response = json_answer(201, me);
  for (auto& cookie : done->cookies) response.headers.add("Set-Cookie", std::move(cookie));
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

asio::awaitable<Answered> sign_out(StatePtr state, http::Request request) {
  const bool secure = came_over_tls(request, state->trusted_proxies);
  // Only what the request is signed in by ends; a token is revoked at its own address.
  if (!request.headers.has("Authorization")) {
    const auto& who = principal_of(request);
    const auto id = who.session;
    auto event = event_of(events::kLogout, actor_of(*state, request), who.user.str());
    auto work = [id, event = std::move(event)](soci::session& sql) {
      sql::delete_session(sql, id);
      return bus::record(sql, event);
    };
    const auto done = co_await state->store.write(std::move(work));
    if (!done) co_return fail(done.error());
    state->cache.forget(session_key(id));
  }
  auto response = http::Response::empty(204);
  response.headers.add("Set-Cookie", session_cookie(secure, "", std::chrono::seconds{0}));
  co_return response;
}

}  // namespace

std::unexpected<Error> credentials_wrong(std::string cause) {
  return fail(Code::kUnauthenticated, "credentials-wrong",
              "That did not work: the name, password, token or link is wrong, used or expired.", std::move(cause));
}

void add_session_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "GET", "/api/v1/auth", {Access::kOpen}, {"sign-in-page"}, auth);
  add_route(state, routes, "POST", "/api/v1/session", {Access::kOpen}, {"sign-in-address"}, sign_in);
  add_route(state, routes, "DELETE", "/api/v1/session", {Access::kSignedIn, Scope::kRead, Whose::kSelf}, {"sign-out"},
            sign_out);
}

}  // namespace tiltyard::identity
