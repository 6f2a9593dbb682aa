// /api/v1/auth/oidc/{provider}/start and callback: out to the provider and back. Both are visited by browsers, not
// called by scripts: a failure leads to the sign-in page, which says what happened.
#include <fmt/core.h>

#include <algorithm>

#include "base/base64url.h"
#include "identity/oidc.h"
#include "identity/state.h"
#include "observe/log.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

using Answered = Result<http::Response>;

std::string_view flow_cookie_name(bool secure) { return secure ? "__Host-tiltyard-oidc" : "tiltyard-oidc"; }

/// Lax, not Strict: it must come along when the provider sends the browser back.
std::string flow_cookie(bool secure, std::string_view value, std::chrono::seconds lives) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}", flow_cookie_name(secure), value,
                     lives.count(), secure ? "; Secure" : "");
}

http::Response go_to(const std::string& where) {
  auto response = http::Response::empty(303);
  response.headers.set("Location", where);
  response.headers.set("Cache-Control", "no-store");
  // The address of the callback has the code in it: nobody else is to see it.
  response.headers.set("Referrer-Policy", "no-referrer");
  return response;
}

http::Response back_to_sign_in(const std::string& reason) {
  return go_to("/signin?trouble=" + http::percent_encode(reason));
}

std::string redirect_address(const Service::State& state, const http::Request& request, const std::string& provider) {
  return site_url(state, request) + "/api/v1/auth/oidc/" + provider + "/callback";
}

oidc::Provider* provider_of(const Service::State& state, const http::Request& request) {
  const auto found = state.providers.find(std::string(request.param("provider")));
  return found == state.providers.end() || !state.on("oidc") ? nullptr : found->second.get();
}

asio::awaitable<Answered> start(StatePtr state, http::Request request) {
  auto* provider = provider_of(*state, request);
  if (provider == nullptr) co_return back_to_sign_in("provider-unknown");
  const auto known = co_await provider->metadata();
  if (!known) co_return back_to_sign_in(known.error().reason);
  const bool again = request.query_value("again") == "1";
  const auto flow = oidc::new_flow(provider->name(), request.query_value("back"), again, state->clock.now());
  std::string scopes;
  for (const auto& scope : provider->options().scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  const auto encode = [](const std::string& text) { return http::percent_encode(text); };
  auto where = fmt::format(
      "{}{}response_type=code&client_id={}&redirect_uri={}&scope={}&state={}&nonce={}&code_challenge={}&code_challenge_"
      "method=S256",
      known->authorization, known->authorization.contains('?') ? "&" : "?", encode(provider->options().client_id),
      encode(redirect_address(*state, request, provider->name())), encode(scopes), flow.state, flow.nonce,
      base64url(sha256(flow.verifier)));
  // OpenID Connect Core 1.0, 3.1.2.1: whoever has a session there is asked all the same, and the answer says when that
  // was.
  if (again) where += "&prompt=login&max_age=0";
  auto response = go_to(where);
  const bool secure = came_over_tls(request, state->trusted_proxies);
  response.headers.add("Set-Cookie", flow_cookie(secure, oidc::seal(flow, state->admin_token),
                                                 std::chrono::duration_cast<std::chrono::seconds>(oidc::kFlowFor)));
  co_return response;
}

/// The flow that this browser has begun, if the answer belongs to it.
Result<oidc::Flow> flow_of(const Service::State& state, const http::Request& request, const oidc::Provider& provider) {
  const bool secure = came_over_tls(request, state.trusted_proxies);
  auto flow = oidc::unseal(request.cookie(flow_cookie_name(secure)), state.admin_token, state.clock.now());
  if (!flow) return flow;
  if (flow->provider != provider.name() || !Secret(flow->state).equals(request.query_value("state"))) {
    return fail(Code::kUnauthenticated, "oidc-state", "This sign-in was not begun in this browser. Begin again.",
                "another state");
  }
  return flow;
}

/// RFC 9207: an answer that names its issuer must come from ours, and one that promises to must name it.
Result<> check_issuer(const http::Request& request, const oidc::Provider& provider, const oidc::Metadata& known) {
  const auto issuer = request.query_value("iss");
  if (issuer.empty() ? !known.iss_in_answer : issuer == provider.options().issuer) return {};
  return fail(Code::kUnauthenticated, "oidc-state", "The answer came from another provider. Begin again.",
              "iss is another issuer, or missing");
}

asio::awaitable<Result<SignedIn>> receive(StatePtr state, http::Request request, oidc::Provider* provider,
                                          oidc::Flow flow) {
  const auto known = co_await provider->metadata();
  if (!known) co_return fail(known.error());
  if (auto ours = check_issuer(request, *provider, *known); !ours) co_return fail(std::move(ours.error()));
  if (const auto error = request.query_value("error"); !error.empty()) {
    co_return fail(Code::kForbidden, "oidc-denied", "The provider did not let you in.", error.substr(0, 60));
  }
  json::object body{{"strategy", "oidc"},
                    {"provider", flow.provider},
                    {"code", request.query_value("code")},
                    {"nonce", flow.nonce},
                    {"verifier", flow.verifier},
                    {"state", flow.state},
                    {"again_since", flow.again ? std::to_string(to_micros(flow.began())) : std::string()},
                    {"redirect", redirect_address(*state, request, flow.provider)}};
  auto visitor = visitor_of(*state, request);
  auto work = sign_in_by(state, std::move(body), std::move(visitor));
  co_return co_await std::move(work);
}

asio::awaitable<Answered> callback(StatePtr state, http::Request request) {
  auto* provider = provider_of(*state, request);
  if (provider == nullptr) co_return back_to_sign_in("provider-unknown");
  const bool secure = came_over_tls(request, state->trusted_proxies);
  auto flow = flow_of(*state, request, *provider);
  if (!flow) {
    log::info("identity", "sign-in refused", {{"reason", flow.error().reason}, {"cause", flow.error().cause}});
    note_refusal(*state, visitor_of(*state, request), "oidc", "", flow.error());
    co_return back_to_sign_in(flow.error().reason);
  }
  const auto back = flow->back;
  const bool again = flow->again;
  auto signed_in = co_await receive(state, std::move(request), provider, std::move(*flow));
  // Who was to show it once more is still signed in, and would not be shown the sign-in page.
  auto response = signed_in ? go_to(back)
                  : again   ? go_to("/account?trouble=" + http::percent_encode(signed_in.error().reason))
                            : back_to_sign_in(signed_in.error().reason);
  response.headers.add("Set-Cookie", flow_cookie(secure, "", std::chrono::seconds{0}));
  if (signed_in) {
    for (auto& cookie : signed_in->cookies) response.headers.add("Set-Cookie", std::move(cookie));
  }
  co_return response;
}

}  // namespace

void add_oidc_routes(StatePtr state, house::Routes& routes) {
  add_route(state, routes, "GET", "/api/v1/auth/oidc/{provider}/start", {Access::kOpen}, {"sign-in-redirect"}, start);
  add_route(state, routes, "GET", "/api/v1/auth/oidc/{provider}/callback", {Access::kOpen}, {"sign-in-redirect"},
            callback);
}

}  // namespace tiltyard::identity
