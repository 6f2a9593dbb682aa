// What an owner sees of a door, and who else is let in.
#include <fmt/format.h>
#include <boost/json.hpp>

#include "doors/http.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::doors {
namespace {

namespace json = boost::json;
using gateway::Pass;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using identity::principal_of;
using Answered = Result<Response>;

constexpr std::int64_t kShortest = 60, kUsual = 24 * 3600, kLongest = 30 * 24 * 3600;  ///< seconds that a link lives

/// The instance that the path names, where the caller has a right to go in; somebody else's is as if it were not there.
struct Door {
  labs::Instance instance;
  Right right;
  bool owns = false;
};

asio::awaitable<Result<Door>> door_of(PartsRef parts, Request request) {
  const auto unknown = [] { return fail(Code::kNotFound, "instance-unknown", "There is no such instance."); };
  auto found = co_await parts->service.labs().find(InstanceId(std::string(request.param("id"))));
  if (!found) co_return fail(std::move(found.error()));
  if (!*found) co_return unknown();
  const auto who = principal_of(request);
  auto right = co_await parts->service.right_of(who, **found);
  if (!right) co_return fail(std::move(right.error()));
  if (!*right) co_return unknown();
  const bool owns = who.owner() == (*found)->owner || who.staff();
  co_return Door{std::move(**found), std::move(**right), owns};
}

asio::awaitable<Result<Door>> own_door_of(PartsRef parts, Request request) {
  auto door = co_await door_of(std::move(parts), std::move(request));
  if (!door || door->owns) co_return door;
  co_return fail(Code::kNotFound, "instance-unknown", "There is no such instance.");
}

Response private_answer(int status, const json::value& value) {
  auto response = Response::json(status, json::serialize(value));
  response.headers.set("Cache-Control", "no-store");
  return response;
}

json::object share_json(const Share& share) {
  json::array guests;
  for (const auto& name : share.guests) guests.emplace_back(name);
  return {{"id", share.id},
          {"one", share.one},
          {"by", share.by_name},
          {"made_at", to_rfc3339(share.made_at)},
          {"ends_at", to_rfc3339(share.ends_at)},
          {"guests", std::move(guests)}};
}

asio::awaitable<Answered> show(PartsRef parts, Request request) {
  auto door = co_await door_of(parts, request);
  if (!door) co_return fail(std::move(door.error()));
  const auto& who = principal_of(request);
  const auto token = parts->service.mint(Pass::Kind::kToken, who, door->right, door->instance.id, "");
  const auto until = who.owner() == door->instance.owner
                         ? parts->service.address_until(door->instance.owner, request.client_address)
                         : std::nullopt;
  const json::object out{{"token", token},
                         {"token_ends_at", to_rfc3339(parts->service.end_of(Pass::Kind::kToken, door->right))},
                         {"address", until ? json::value(request.client_address) : json::value(nullptr)},
                         {"address_ends_at", until ? json::value(to_rfc3339(*until)) : json::value(nullptr)}};
  co_return private_answer(200, out);
}

asio::awaitable<Answered> list(PartsRef parts, Request request) {
  auto door = co_await own_door_of(parts, request);
  if (!door) co_return fail(std::move(door.error()));
  auto shares = co_await parts->service.shares_of(door->instance.id);
  if (!shares) co_return fail(std::move(shares.error()));
  json::array items;
  for (const auto& share : *shares) items.push_back(share_json(share));
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Answered> make(PartsRef parts, Request request) {
  auto body = http::Body::or_empty(request.body);
  const auto lives = body.maybe_number("lives_s", kShortest, kLongest).value_or(kUsual);
  const bool one = body.maybe_flag("one").value_or(true);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto door = co_await own_door_of(parts, request);
  if (!door) co_return fail(std::move(door.error()));
  if (labs::is_final(door->instance.state))
    co_return fail(Code::kConflict, "instance-ended", "This instance has ended; there is nothing to share.");
  if (door->instance.plan.endpoints.empty())
    co_return fail(Code::kConflict, "no-endpoint", "A link opens endpoints, and this instance has none.");
  const auto& who = principal_of(request);
  Share wanted;
  wanted.instance = door->instance.id.str();
  wanted.owner = door->instance.owner;
  wanted.one = one;
  wanted.by = who.user.str();
  wanted.by_name = who.name;
  wanted.ends_at = parts->service.now() + std::chrono::seconds(lives);
  auto made = co_await parts->service.share(std::move(wanted), identity::actor_of(request));
  if (!made) co_return fail(std::move(made.error()));
  auto out = share_json(made->first);
  out["url"] = fmt::format("{}/door?share={}", parts->service.page(), made->second);
  co_return private_answer(201, out);
}

asio::awaitable<Answered> remove(PartsRef parts, Request request) {
  auto door = co_await own_door_of(parts, request);
  if (!door) co_return fail(std::move(door.error()));
  auto gone = co_await parts->service.unshare(door->instance.id, std::string(request.param("share")),
                                              identity::actor_of(request));
  if (!gone) co_return fail(std::move(gone.error()));
  co_return Response::empty(204);
}

}  // namespace

void add_share_routes(house::Routes& routes, PartsRef parts) {
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler) {
    routes.add(std::move(method), std::move(pattern), rights, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("GET", "/api/v1/instances/{id}/door", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"door-read"}, show);
  add("GET", "/api/v1/instances/{id}/shares", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"door-read"},
      list);
  add("POST", "/api/v1/instances/{id}/shares", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"door-share"},
      make);
  add("DELETE", "/api/v1/instances/{id}/shares/{share}", {Access::kSignedIn, Scope::kInstances, Whose::kOwner},
      {"door-share"}, remove);
}

}  // namespace tiltyard::doors
