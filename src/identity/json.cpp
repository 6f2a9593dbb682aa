// What comes in and goes out as JSON.
#include <fmt/core.h>
#include <boost/json/serialize.hpp>

#include "identity/scopes.h"
#include "identity/state.h"

namespace tiltyard::identity {
namespace {

namespace json = boost::json;

std::unexpected<Error> invalid(std::string message) { return fail(Code::kInvalid, "invalid-body", std::move(message)); }

}  // namespace

Result<std::string> text_field(const json::object& body, std::string_view name) {
  const auto* value = body.if_contains(name);
  if (value == nullptr) return invalid(fmt::format("'{}' is missing.", name));
  if (!value->is_string()) return invalid(fmt::format("'{}' must be a text.", name));
  return std::string(value->get_string());
}

json::value time_json(TimePoint time) {
  if (time == sql::kNever) return nullptr;
  return json::value(to_rfc3339(time));
}

json::value team_json(const std::string& id, const std::string& name) {
  if (id.empty()) return nullptr;
  return json::object{{"id", id}, {"name", name}};
}

json::array roles_json(Role role) {
  json::array roles;
  for (const Role each : {Role::kPlayer, Role::kAuthor, Role::kOperator, Role::kAdmin}) {
    if (each <= role) roles.emplace_back(to_string(each));
  }
  return roles;
}

json::array scopes_json(unsigned scopes) {
  json::array names;
  for (const Scope scope : {Scope::kRead, Scope::kInstances, Scope::kFlags, Scope::kAccount, Scope::kAdmin}) {
    if ((scopes & static_cast<unsigned>(scope)) != 0) names.emplace_back(to_string(scope));
  }
  return names;
}

asio::awaitable<json::object> me_json(StatePtr state, Principal principal) {
  const auto limits = state->limits ? state->limits(principal) : Limits{};
  const auto teams = co_await teams_are_on(state);
  const bool needed = teams && *teams && !principal.team && !principal.at_least(Role::kAuthor);
  json::object me;
  me["id"] = principal.user.str();
  me["name"] = principal.name;
  me["kind"] = principal.kind;
  me["roles"] = roles_json(principal.role);
  me["scopes"] = scopes_json(principal.scopes);
  me["team"] = team_json(principal.team ? principal.team->str() : std::string(), principal.team_name);
  me["teams"] = teams && *teams;
  me["team_missing"] = needed;
  me["strategy"] = principal.strategy;
  me["limits"] = json::object{{"instances", limits.instances}, {"running", limits.running}};
  me["has_password"] = principal.has_password;
  me["proof"] = proves_itself(principal)
                    ? json::value(nullptr)
                    : json::value{{"until", time_json(principal.proved + state->options.proof_for)},
                                  {"ways", proofs_of(*state, principal)}};
  me["email"] = principal.email.empty() ? json::value(nullptr) : json::value(principal.email);
  co_return me;
}

http::Response json_answer(int status, const json::object& body) {
  return http::Response::json(status, json::serialize(body));
}

void add_route(StatePtr state, house::Routes& routes, std::string method, std::string pattern, house::Rights rights,
               house::Limits limits, Answer answer) {
  auto handler = [state = std::move(state), answer](http::Request request) {
    return answer(state, std::move(request));
  };
  routes.add(std::move(method), std::move(pattern), rights, std::move(limits), std::move(handler));
}

}  // namespace tiltyard::identity
