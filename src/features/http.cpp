#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "features/state.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::features {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using StatePtr = std::shared_ptr<Service::State>;

std::unexpected<Error> invalid_body(std::string message) {
  return fail(Code::kInvalid, "invalid-body", std::move(message));
}

Result<> check_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  const bool good = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, plain) && name.front() != '-' &&
                    name.front() != '.';
  if (good) return {};
  return fail(
      Code::kInvalid, "invalid-name",
      "A feature's name has 1 to 64 of the characters a-z, 0-9, '-' and '.', and begins with a letter or digit.");
}

Result<std::set<std::string>> read_targets(const json::value& value, std::string_view name) {
  std::set<std::string> out;
  if (!value.is_array()) return invalid_body(fmt::format("'{}' must be a list of ids or names.", name));
  for (const auto& item : value.get_array()) {
    if (!item.is_string() || item.get_string().empty() || item.get_string().size() > 256)
      return invalid_body(fmt::format("'{}' must be a list of ids or names.", name));
    out.emplace(item.get_string());
  }
  if (out.size() > kMostTargets) return invalid_body(fmt::format("'{}' has more than {} entries.", name, kMostTargets));
  return out;
}

Result<double> read_percent(const json::value& value) {
  boost::system::error_code error;
  const double percent = value.to_number<double>(error);
  if (error || !(percent >= 0 && percent <= 100)) return invalid_body("'percent' must be a number from 0 to 100.");
  return std::round(percent * 100) / 100;
}

Result<> read_member(Feature& feature, std::string_view key, const json::value& value) {
  if (key == "about") {
    if (!value.is_string() || value.get_string().size() > 500)
      return invalid_body("'about' must be a text of at most 500 bytes.");
    feature.about = std::string(value.get_string());
  } else if (key == "enabled") {
    if (!value.is_bool()) return invalid_body("'enabled' must be true or false.");
    feature.enabled = value.get_bool();
  } else if (key == "percent") {
    auto percent = read_percent(value);
    if (!percent) return fail(std::move(percent.error()));
    feature.percent = *percent;
  } else if (key == "users" || key == "teams") {
    auto targets = read_targets(value, key);
    if (!targets) return fail(std::move(targets.error()));
    (key == "users" ? feature.users : feature.teams) = std::move(*targets);
  } else if (key == "role") {
    if (value.is_null()) return {};
    if (!value.is_string()) return invalid_body("'role' must be a role or null.");
    auto role = identity::parse_role(value.get_string());
    if (!role) return fail(std::move(role.error()));
    feature.role = *role;
  } else {
    return invalid_body(fmt::format("Unknown member '{}'; known are about, enabled, percent, users, teams and role.",
                                    key.substr(0, 40)));
  }
  return {};
}

json::array list_json(const std::set<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.push_back(json::string(text));
  return out;
}

/// Those that capabilities have declared, and those that staff have made.
std::set<std::string> names_of(const Service::State& state) {
  std::set<std::string> names;
  for (const auto& [name, declared] : state.declared) names.insert(name);
  for (const auto& [name, feature] : state.all) names.insert(name);
  return names;
}

asio::awaitable<Result<Response>> mine(StatePtr state, Request request) {
  const auto& who = identity::principal_of(request);
  const auto owner = who.owner();
  const auto subject = Subject::of(who, owner);
  json::object features;
  for (const auto& name : names_of(*state)) features[name] = state->on(name, subject);
  co_return Response::json(200, json::serialize(json::object{{"features", std::move(features)}}));
}

asio::awaitable<Result<Response>> list(StatePtr state, Request) {
  json::array items;
  for (const auto& name : names_of(*state)) items.push_back(to_json(*state->shown(name)));
  co_return http::page_answer(std::move(items));
}

std::unexpected<Error> unknown() { return fail(Code::kNotFound, "feature-unknown", "There is no such feature."); }

asio::awaitable<Result<Response>> show(StatePtr state, Request request) {
  const auto found = state->shown(request.param("name"));
  if (!found) co_return unknown();
  co_return Response::json(200, json::serialize(to_json(*found)));
}

asio::awaitable<Result<Response>> put(StatePtr state, Request request) {
  std::string name(request.param("name"));
  if (auto good = check_name(name); !good) co_return fail(std::move(good.error()));
  const auto body = http::json_object(request.body);
  if (!body) co_return fail(body.error());
  auto feature = from_json(name, *body);
  if (!feature) co_return fail(std::move(feature.error()));
  const bool fresh = !state->all.contains(name);
  if (fresh && state->all.size() >= kMostFeatures) {
    co_return fail(Code::kConflict, "too-many-features",
                   fmt::format("There are {} features; delete one that nothing uses.", kMostFeatures));
  }
  feature->changed_at = state->clock.now();
  feature->changed_by = identity::principal_of(request).name;
  auto work = [feature = *feature](soci::session& session) { return sql::write(session, feature); };
  auto written = co_await state->store.write(std::move(work));
  if (!written) co_return fail(std::move(written.error()));
  const auto answer = json::serialize(to_json(*feature));
  state->all.insert_or_assign(name, std::move(*feature));
  co_return Response::json(fresh ? 201 : 200, answer);
}

asio::awaitable<Result<Response>> remove(StatePtr state, Request request) {
  std::string name(request.param("name"));
  if (!state->all.contains(name)) co_return unknown();
  auto work = [name, actor = identity::principal_of(request).name, at = state->clock.now()](soci::session& session) {
    return sql::remove(session, name, actor, at);
  };
  auto done = co_await state->store.write(std::move(work));
  if (!done) co_return fail(std::move(done.error()));
  state->all.erase(name);
  co_return Response::empty(204);
}

}  // namespace

json::object to_json(const Feature& feature) {
  json::object out{
      {"name", feature.name}, {"about", feature.about}, {"enabled", feature.enabled}, {"percent", feature.percent}};
  out["users"] = list_json(feature.users);
  out["teams"] = list_json(feature.teams);
  out["role"] = feature.role ? json::value(identity::to_string(*feature.role)) : json::value(nullptr);
  out["changed_at"] = feature.changed_by.empty() ? json::value(nullptr) : json::value(to_rfc3339(feature.changed_at));
  out["changed_by"] = feature.changed_by;
  return out;
}

Result<Feature> from_json(std::string name, const json::object& body) {
  Feature feature;
  feature.name = std::move(name);
  for (const auto& item : body) {
    if (auto read = read_member(feature, item.key(), item.value()); !read) return fail(std::move(read.error()));
  }
  return feature;
}

void Service::add_routes(house::Routes& routes) {
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler, std::size_t body_limit = house::kUsualBody) {
    routes.add(
        std::move(method), std::move(pattern), rights, std::move(limits),
        [state = state_, handler](Request request) { return handler(state, std::move(request)); }, body_limit);
  };
  add("GET", "/api/v1/me/features", {Access::kSignedIn, Scope::kRead, Whose::kSelf}, {"profile-read"}, mine);
  add("GET", "/api/v1/admin/features", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, list);
  add("GET", "/api/v1/admin/features/{name}", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, show);
  add("PUT", "/api/v1/admin/features/{name}", {Access::kAdmin, Scope::kAdmin}, {"admin-change"}, put, 1024 * 1024);
  add("DELETE", "/api/v1/admin/features/{name}", {Access::kAdmin, Scope::kAdmin}, {"admin-change"}, remove);
}

}  // namespace tiltyard::features
