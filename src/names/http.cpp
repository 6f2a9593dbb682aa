// Names over the API; the contract is api/paths/names.yaml.
#include "names/http.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

#include "net/body.h"
#include "net/page.h"

namespace tiltyard::names {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using identity::principal_of;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::size_t kLongestTyped = 1024;

json::value time_or_null(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::object check_json(std::string_view what, std::string_view is, std::string_view text) {
  return {{"what", what}, {"is", is}, {"text", text}};
}

json::object check_of(const certificates::Standing& standing) {
  if (standing.state == "good") return check_json("certificate", "good", "Its certificate is there.");
  if (standing.error.empty()) return check_json("certificate", "unknown", "Its certificate is being fetched.");
  return check_json("certificate", "bad", standing.error);
}

/// What stands between a name and its working, each with a word: good, bad, unknown (not looked yet, or no answer).
json::array checks_of(const Name& name, const std::optional<certificates::Standing>& standing) {
  json::array checks;
  if (name.kind == Kind::kOwn) {
    checks.push_back(check_json("ownership", to_string(name.ownership.is), name.ownership.text));
    checks.push_back(check_json("address", to_string(name.address.is), name.address.text));
  }
  if (name.record != Record::kNone) {
    const bool there = name.record == Record::kThere;
    checks.push_back(check_json("record", there ? "good" : "unknown", there ? "Its record is written." : ""));
  }
  if (name.certificate && standing) checks.push_back(check_of(*standing));
  return checks;
}

/// nullopt: none of its own is wanted for it.
asio::awaitable<Result<std::optional<certificates::Standing>>> standing_of(PartsRef parts, Name name) {
  if (!name.certificate || parts->wanted == nullptr) co_return std::nullopt;
  co_return co_await parts->wanted->standing(name.host);
}

asio::awaitable<Result<json::object>> view(PartsRef all, Name name, std::string owner_name) {
  const auto& parts = *all;
  auto standing = co_await standing_of(all, name);
  if (!standing) co_return fail(std::move(standing.error()));
  const bool standard =
      parts.port == 0 || (parts.scheme == "http" && parts.port == 80) || (parts.scheme == "https" && parts.port == 443);
  json::value proof = nullptr;
  if (name.kind == Kind::kOwn) proof = {{"name", proof_host(name.host)}, {"type", "TXT"}, {"value", proof_text(name)}};
  co_return json::object{
      {"id", name.id.str()},
      {"name", name.host},
      {"kind", to_string(name.kind)},
      {"state", to_string(name.state)},
      {"owner", {{"id", name.owner}, {"name", owner_name}}},
      {"instance", name.instance.str()},
      {"template", name.tmpl.str()},
      {"endpoint", name.endpoint},
      {"follow", name.follow},
      {"url", fmt::format("{}://{}{}/", parts.scheme, name.host, standard ? "" : fmt::format(":{}", parts.port))},
      {"created_at", to_rfc3339(name.created_at)},
      {"held_at", time_or_null(name.held_at)},
      {"rests_until", time_or_null(name.rests_until)},
      {"proof", std::move(proof)},
      {"checks", checks_of(name, *standing)},
      {"problem", name.problem.empty() ? json::value(nullptr) : json::value(name.problem)}};
}

asio::awaitable<Result<Response>> answer(PartsRef parts, int status, Name name) {
  auto owner = co_await parts->identity.display_name(name.owner);
  if (!owner) co_return fail(std::move(owner.error()));
  auto shown = co_await view(parts, std::move(name), std::move(*owner));
  if (!shown) co_return fail(std::move(shown.error()));
  co_return Response::json(status, json::serialize(*shown));
}

asio::awaitable<Result<Response>> list(PartsRef parts, Request request) {
  const auto& who = principal_of(request);
  const auto owner = request.query_value("owner");
  if (owner == "all" && !who.staff())
    co_return fail(Code::kForbidden, "forbidden", "Only staff see everybody's names.");
  if (owner != "all" && owner != "me" && !owner.empty())
    co_return fail(Code::kInvalid, "invalid-query", "owner must be 'me' or 'all'.");
  std::vector<Name> names;
  std::vector<std::string> owners;
  for (auto& name : parts->service.all()) {
    if (owner != "all" && name.owner != who.owner()) continue;
    owners.push_back(name.owner);
    names.push_back(std::move(name));
  }
  auto called = co_await parts->identity.owner_names(std::move(owners));
  if (!called) co_return fail(std::move(called.error()));
  json::array items;
  for (auto& name : names) {
    auto called_by = (*called)[name.owner].name;
    auto shown = co_await view(parts, std::move(name), std::move(called_by));
    if (!shown) co_return fail(std::move(shown.error()));
    items.push_back(std::move(*shown));
  }
  auto page = http::page(std::move(items));
  const auto& free_domain = parts->options.free_domain;
  json::array addresses(parts->options.addresses.begin(), parts->options.addresses.end());
  page["offers"] = {{"free_domain", free_domain.empty() ? json::value(nullptr) : json::value(free_domain)},
                    {"own_domains", parts->options.own_domains},
                    {"per_owner", parts->options.per_owner},
                    {"target", parts->target},
                    {"addresses", std::move(addresses)}};
  co_return Response::json(200, json::serialize(page));
}

struct Wish {
  std::string name, instance, endpoint;
  bool follow = false;
};

Result<Wish> read_wish(const std::string& bytes, bool with_name) {
  http::Body body(bytes);
  Wish wish;
  if (with_name) wish.name = body.text("name", 1, kLongestTyped);
  wish.instance = body.text("instance", 1, 100);
  wish.endpoint = body.maybe_text("endpoint", 1, 100).value_or("");
  wish.follow = body.maybe_flag("follow").value_or(false);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return wish;
}

struct Place {
  Pointing pointing;
  std::string owner;  ///< of the instance
};

/// The instance and endpoint that are meant, if the caller may have names for them.
asio::awaitable<Result<Place>> place_of(PartsRef parts, std::shared_ptr<const identity::Principal> who, Wish wish) {
  const auto live = parts->labs.live(InstanceId(wish.instance));
  const bool theirs =
      live && (who->staff() || live->instance.owner == who->owner()) && live->instance.pool != labs::PoolRole::kWaiting;
  if (!theirs) co_return fail(Code::kNotFound, "instance-unknown", "There is no such instance.");
  const auto& instance = live->instance;
  if (live->ending()) co_return fail(Code::kConflict, "instance-over", "This instance is about to end.");
  const auto& endpoints = instance.plan.endpoints;
  const auto meant = std::ranges::find_if(endpoints, [&](const labs::PlannedEndpoint& one) {
    return wish.endpoint.empty() ? !owns_port(one.kind) : one.name == wish.endpoint;
  });
  if (meant == endpoints.end() || owns_port(meant->kind))
    co_return fail(
        Code::kConflict, "endpoint-nameless",
        "The instance has no such endpoint that is found by its name; what has a port of its own needs none.");
  co_return Place{{instance.id, instance.tmpl, meant->name, wish.follow}, instance.owner};
}

std::shared_ptr<const identity::Principal> caller(const Request& request) {
  return std::make_shared<const identity::Principal>(principal_of(request));
}

asio::awaitable<Result<Response>> ask(PartsRef parts, Request request) {
  auto wish = read_wish(request.body, true);
  if (!wish) co_return fail(std::move(wish.error()));
  auto place = co_await place_of(parts, caller(request), *wish);
  if (!place) co_return fail(std::move(place.error()));
  Asker asker{place->owner, principal_of(request).user.str(), identity::actor_of(request)};
  auto made = co_await parts->service.ask(wish->name, std::move(place->pointing), std::move(asker));
  if (!made) co_return fail(std::move(made.error()));
  co_return co_await answer(parts, 201, std::move(*made));
}

/// The name that the path says, if the caller may see it.
Result<NameId> visible(const HttpParts& parts, const Request& request) {
  const NameId id{std::string(request.param("id"))};
  const auto* name = parts.service.find(id);
  const auto& who = principal_of(request);
  if (name == nullptr || (name->owner != who.owner() && !who.staff()))
    return fail(Code::kNotFound, "name-unknown", "There is no such name.");
  return id;
}

asio::awaitable<Result<Response>> show(PartsRef parts, Request request) {
  const auto id = visible(*parts, request);
  if (!id) co_return fail(id.error());
  co_return co_await answer(parts, 200, *parts->service.find(*id));
}

asio::awaitable<Result<Response>> point(PartsRef parts, Request request) {
  const auto id = visible(*parts, request);
  if (!id) co_return fail(id.error());
  auto wish = read_wish(request.body, false);
  if (!wish) co_return fail(std::move(wish.error()));
  auto place = co_await place_of(parts, caller(request), *wish);
  if (!place) co_return fail(std::move(place.error()));
  const auto* name = parts->service.find(*id);
  if (name == nullptr || name->owner != place->owner)
    co_return fail(Code::kNotFound, "instance-unknown", "The name's owner has no such instance.");
  auto pointed = co_await parts->service.point(*id, std::move(place->pointing));
  if (!pointed) co_return fail(std::move(pointed.error()));
  co_return co_await answer(parts, 200, std::move(*pointed));
}

asio::awaitable<Result<Response>> look(PartsRef parts, Request request) {
  const auto id = visible(*parts, request);
  if (!id) co_return fail(id.error());
  auto seen = co_await parts->service.look(*id);
  if (!seen) co_return fail(std::move(seen.error()));
  co_return co_await answer(parts, 200, std::move(*seen));
}

asio::awaitable<Result<Response>> drop(PartsRef parts, Request request) {
  const auto id = visible(*parts, request);
  if (!id) co_return fail(id.error());
  auto dropped = co_await parts->service.drop(*id, identity::actor_of(request));
  if (!dropped) co_return fail(std::move(dropped.error()));
  co_return Response::empty(202);
}

}  // namespace

void add_routes(house::Routes& routes, HttpParts all) {
  const auto parts = std::make_shared<const HttpParts>(std::move(all));
  const auto add = [&](const char* method, const char* pattern, Scope scope, house::Limits limits, auto handler) {
    routes.add(method, pattern, {Access::kSignedIn, scope, Whose::kOwner}, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("GET", "/api/v1/names", Scope::kRead, {"list-read"}, list);
  add("POST", "/api/v1/names", Scope::kInstances, {"name-ask"}, ask);
  add("GET", "/api/v1/names/{id}", Scope::kRead, {"item-read"}, show);
  add("PUT", "/api/v1/names/{id}", Scope::kInstances, {"name-change"}, point);
  add("DELETE", "/api/v1/names/{id}", Scope::kInstances, {"name-change"}, drop);
  add("POST", "/api/v1/names/{id}/look", Scope::kInstances, {"name-look"}, look);
}

}  // namespace tiltyard::names
