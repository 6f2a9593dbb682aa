// The way from the gateway to the page and back: who is signed in, and whether it is theirs.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "doors/http.h"
#include "gateway/pages.h"

namespace tiltyard::doors {
namespace {

using gateway::Pass;
using http::Request;
using http::Response;
using Answered = Result<Response>;

constexpr std::size_t kLongestWay = 2048;

/// A path on the visitor's own host, and nothing that could lead elsewhere or end a field.
std::string way_of(const Request& request) {
  auto to = request.query_value("to");
  const bool plain = std::ranges::all_of(to, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  return plain && to.starts_with('/') && to.size() <= kLongestWay ? to : "/";
}

std::string host_of(const Request& request) {
  auto host = lower(request.query_value("host"));
  if (host.ends_with('.')) host.pop_back();
  return host;
}

Response go_to(std::string where) {
  auto response = Response::empty(303);
  response.headers.set("Location", std::move(where));
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("Referrer-Policy", "no-referrer");
  return response;
}

Response page_of(const gateway::PageText& text, gateway::Form form) {
  Response response;
  response.status = text.status;
  const bool html = form == gateway::Form::kHtml;
  response.headers.set("Content-Type", html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
  response.headers.set("Cache-Control", "no-store");
  // It brings its style along, as all of the gateway's pages do, and nothing else.
  response.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
  response.body = gateway::page_body(text, form);
  return response;
}

/// To people as a page, to programs as any error.
Answered said(const Request& request, gateway::Page page, Error error) {
  if (gateway::wanted_form(request.headers.get("Accept")) != gateway::Form::kHtml) return fail(std::move(error));
  return page_of({page, http::http_status(error.code), {}, error.message}, gateway::Form::kHtml);
}

std::string origin_of(const labs::PublicAddress& address, const std::string& host) {
  const bool standard =
      (address.scheme == "http" && address.port == 80) || (address.scheme == "https" && address.port == 443);
  return fmt::format("{}://{}{}", address.scheme, host, standard ? "" : fmt::format(":{}", address.port));
}

/// Where its ports are.
Response let_in_text(const Request& request, const labs::Instance& instance, const labs::PublicAddress& address) {
  std::string ports;
  for (const auto& endpoint : instance.plan.endpoints) {
    if (!owns_port(endpoint.kind)) continue;
    ports += fmt::format("{}{} is {} {} ({})", ports.empty() ? "" : ", ", endpoint.name, address.tcp_host,
                         endpoint.port, word_of(endpoint.kind));
  }
  const bool html = gateway::wanted_form(request.headers.get("Accept")) == gateway::Form::kHtml;
  return page_of({gateway::Page::kLetIn, 200, {}, ports}, html ? gateway::Form::kHtml : gateway::Form::kText);
}

struct Visit {
  identity::Principal who;
  labs::Instance instance;
  std::string host;
  std::optional<Right> right;
};

Error unknown() { return {Code::kNotFound, "instance-unknown", "Nothing runs under this name.", {}, {}}; }

/// By a shared link: the person is let in from now on, and goes to the instance's first page, if it has one.
asio::awaitable<Result<Visit>> by_link(PartsRef parts, identity::Principal who, std::string secret,
                                       std::string address) {
  auto let_in = co_await parts->service.right_by(who, std::move(secret));
  if (!let_in) co_return fail(std::move(let_in.error()));
  auto instance = co_await parts->service.labs().find(let_in->first);
  if (!instance) co_return fail(std::move(instance.error()));
  if (!*instance || !labs::is_up((*instance)->state)) co_return fail(unknown());
  co_await parts->service.let_in_from(who.user.str(), let_in->first, let_in->second, std::move(address));
  auto hosts = hosts_of(**instance, parts->address);
  auto host = hosts.empty() ? std::string() : hosts.front();
  co_return Visit{std::move(who), std::move(**instance), std::move(host), std::move(let_in->second)};
}

asio::awaitable<Result<Visit>> by_host(PartsRef parts, identity::Principal who, std::string host) {
  const auto id = host.empty() ? std::nullopt : co_await parts->service.gateway().at(host);
  if (!id) co_return fail(unknown());
  auto instance = co_await parts->service.labs().find(*id);
  if (!instance) co_return fail(std::move(instance.error()));
  if (!*instance) co_return fail(unknown());
  auto right = co_await parts->service.right_of(who, **instance);
  if (!right) co_return fail(std::move(right.error()));
  co_return Visit{std::move(who), std::move(**instance), std::move(host), std::move(*right)};
}

asio::awaitable<Answered> visit(PartsRef parts, Request request) {
  auto known = co_await parts->identity.authorise(request, {house::Access::kSignedIn, house::Scope::kInstances});
  if (!known && known.error().code == Code::kUnauthenticated && !request.headers.has("Authorization")) {
    // The page signs them in and comes back; to it their cookie goes along, whatever site has sent them here.
    co_return go_to("/door?" + request.query);
  }
  if (!known) co_return fail(std::move(known.error()));
  const auto& who = identity::principal_of(request);
  const auto secret = request.query_value("share");
  auto found = secret.empty() ? co_await by_host(parts, who, host_of(request))
                              : co_await by_link(parts, who, secret, request.client_address);
  if (!found) {
    const bool link = found.error().reason.starts_with("link-");
    co_return said(request, link ? gateway::Page::kLink : gateway::Page::kUnknownHost, std::move(found.error()));
  }
  if (found->host.empty()) co_return let_in_text(request, found->instance, parts->address);
  const auto base = origin_of(parts->address, found->host) + std::string(gateway::kDoorPath);
  if (!found->right) co_return go_to(base + "closed" + way_of(request));
  const auto grant =
      parts->service.mint(Pass::Kind::kGrant, found->who, *found->right, found->instance.id, found->host);
  co_return go_to(base + grant + way_of(request));
}

}  // namespace

std::vector<std::string> hosts_of(const labs::Instance& instance, const labs::PublicAddress& address) {
  std::vector<std::string> hosts;
  for (const auto& endpoint : instance.plan.endpoints) {
    if (!speaks_http(endpoint.kind)) continue;
    const auto labels = labs::hosts_of(instance, endpoint);
    if (!labels.empty()) hosts.push_back(lower(fmt::format("{}.{}", labels.front(), address.domain)));
  }
  return hosts;
}

void add_door_routes(house::Routes& routes, PartsRef parts) {
  // Open, because who is not known yet is sent to sign in: the handler asks who it is.
  routes.add("GET", "/api/v1/door", {house::Access::kOpen}, {"door"},
             [parts](Request request) { return visit(parts, std::move(request)); });
}

}  // namespace tiltyard::doors
