// The ports of an instance over HTTP (row 2.8).
#include "ports/http.h"

#include <boost/json.hpp>

#include <algorithm>

#include "base/utf8.h"
#include "identity/identity.h"
#include "net/body.h"

namespace tiltyard::ports {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;

struct Parts {
  Service& service;
  labs::Capability& labs;
};
using PartsRef = std::shared_ptr<const Parts>;

json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

/// The caller's own, which is up.
asio::awaitable<Result<labs::Instance>> own_instance(PartsRef parts, Request request) {
  auto found = co_await labs::visible_instance(&parts->labs.service(), std::move(request));
  if (found && !labs::is_up(found->state)) {
    co_return fail(Code::kConflict, "instance-not-running",
                   "The instance neither runs nor sleeps; its machines have no ports.");
  }
  co_return found;
}

json::object policy_json(const View& view) {
  json::array kinds, ranges;
  for (const auto kind : view.policy.kinds) kinds.emplace_back(word_of(kind));
  for (const auto& range : view.policy.ranges) ranges.push_back(json::array{range.first, range.last});
  return {{"kinds", std::move(kinds)},
          {"max", view.policy.max},
          {"left", view.left},
          {"ranges", std::move(ranges)},
          {"why", or_null(view.policy.why)}};
}

/// What leads players to this port; empty: nothing does.
std::string endpoint_at(const labs::Instance& instance, const Machine& machine, const Seen& seen) {
  for (const auto& endpoint : instance.plan.endpoints) {
    const bool udp = transport_of(endpoint.kind) == Transport::kUdp;
    if (endpoint.machine == machine.name && endpoint.machine_port == seen.port && seen.udp == udp) return endpoint.name;
  }
  return {};
}

json::object machine_json(const labs::Instance& instance, const Machine& machine, const View& view) {
  json::array ports;
  for (const auto& seen : machine.ports) {
    json::array addresses;
    for (const auto& one : seen.addresses) addresses.emplace_back(one);
    ports.push_back(json::object{{"port", seen.port},
                                 {"protocol", seen.udp ? "udp" : "tcp"},
                                 {"addresses", std::move(addresses)},
                                 {"program", or_null(as_utf8(seen.program))},
                                 {"reachable", seen.reachable},
                                 {"why", or_null(seen.why)},
                                 {"endpoint", or_null(endpoint_at(instance, machine, seen))},
                                 {"allowed", view.policy.has(seen.port)}});
  }
  const auto free = view.free.find(machine.name);
  return {{"name", machine.name},
          {"seen", machine.seen},
          {"why", or_null(machine.why)},
          {"ports", std::move(ports)},
          {"more", machine.more},
          {"free", free == view.free.end() ? json::value(nullptr) : json::value(free->second)}};
}

json::object opened_json(const Parts& parts, const labs::Instance& instance, const labs::PlannedEndpoint& endpoint) {
  return {{"name", endpoint.name},
          {"machine", endpoint.machine},
          {"port", endpoint.machine_port},
          {"opened", endpoint.opened},
          {"endpoint", labs::endpoint_view(instance, endpoint, parts.labs.address())}};
}

asio::awaitable<Result<Response>> look(PartsRef parts, Request request) {
  auto instance = co_await own_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  const auto view = co_await parts->service.look(*instance, identity::principal_of(request).user.str());
  json::array machines, open;
  for (const auto& machine : view.machines) machines.push_back(machine_json(*instance, machine, view));
  for (const auto& endpoint : instance->plan.endpoints) open.push_back(opened_json(*parts, *instance, endpoint));
  const json::object answer{
      {"policy", policy_json(view)}, {"machines", std::move(machines)}, {"open", std::move(open)}};
  co_return Response::json(200, json::serialize(answer));
}

/// As templates name theirs.
bool is_name(std::string_view text) {
  return !text.starts_with('-') && !text.ends_with('-') && !text.contains("--") &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

Result<Wanted> read_wanted(const Request& request) {
  http::Body body(request.body);
  Wanted wanted;
  wanted.port = static_cast<std::uint16_t>(body.number("port", 1, 65535));
  const auto kind = endpoint_kind(body.text("kind", 1, 10));
  wanted.machine = body.maybe_text("machine", 1, 100).value_or("");
  wanted.name = body.maybe_text("name", 1, 30).value_or("");
  if (!kind) body.refuse("kind: " + kind.error().message + ".");
  if (!wanted.name.empty() && !is_name(wanted.name))
    body.refuse("name has at most 30 lower-case letters, digits and single \"-\".");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  wanted.kind = *kind;
  return wanted;
}

asio::awaitable<Result<Response>> open(PartsRef parts, Request request) {
  const auto wanted = read_wanted(request);
  if (!wanted) co_return fail(wanted.error());
  auto instance = co_await own_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto opened = co_await parts->service.open(*instance, *wanted, identity::actor_of(request));
  if (!opened) co_return fail(std::move(opened.error()));
  auto answer = opened_json(*parts, *instance, opened->endpoint);
  answer["listens"] = opened->listens;
  co_return Response::json(201, json::serialize(answer));
}

asio::awaitable<Result<Response>> close(PartsRef parts, Request request) {
  auto instance = co_await own_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto closed =
      co_await parts->service.close(instance->id, std::string(request.param("endpoint")), identity::actor_of(request));
  if (!closed) co_return fail(std::move(closed.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<Response>> give(PartsRef parts, Request request) {
  auto body = http::Body::or_empty(request.body);
  auto machine = body.maybe_text("machine", 1, 100).value_or("");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto instance = co_await own_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto named = machine_of(*instance, machine);
  if (!named) co_return fail(std::move(named.error()));
  const auto port = co_await parts->service.give(*instance, *named, identity::principal_of(request).user.str());
  if (!port) co_return fail(port.error());
  const json::object answer{
      {"machine", *named}, {"port", *port}, {"kept_s", std::chrono::seconds(Promises::kKept).count()}};
  co_return Response::json(200, json::serialize(answer));
}

}  // namespace

void add_routes(house::Routes& routes, Service& service, labs::Capability& labs) {
  const auto parts = std::make_shared<const Parts>(Parts{service, labs});
  const house::Rights rights{Access::kSignedIn, Scope::kInstances, Whose::kOwner};
  routes.add("GET", "/api/v1/instances/{id}/ports", {Access::kSignedIn, Scope::kRead, Whose::kOwner}, {"ports-read"},
             [parts](Request request) { return look(parts, std::move(request)); });
  routes.add("POST", "/api/v1/instances/{id}/ports", rights, {"ports-change"},
             [parts](Request request) { return open(parts, std::move(request)); });
  routes.add("POST", "/api/v1/instances/{id}/ports/free", rights, {"ports-read"},
             [parts](Request request) { return give(parts, std::move(request)); });
  routes.add("DELETE", "/api/v1/instances/{id}/ports/{endpoint}", rights, {"ports-change"},
             [parts](Request request) { return close(parts, std::move(request)); });
}

}  // namespace tiltyard::ports
