// The routes of what the farm knows of the game: configuration, teams, attack data.
#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "farm/format.h"
#include "farm/routes.h"
#include "net/body.h"
#include "net/page.h"
#include "net/problem.h"

namespace tiltyard::farm {
namespace {

namespace json = boost::json;

Response config_answer(const Service::State& state) {
  const auto& config = *state.config;
  boost::system::error_code error;
  json::object out{{"text", blank_secrets(config.text)},
                   {"version", config.version},
                   {"config", json::parse(config.json, error)},
                   {"path", state.options.config_file}};
  const auto& trouble = state.config_trouble ? state.config_trouble : state.senders_trouble;
  out["trouble"] = trouble ? json::value(json::string(trouble->message)) : json::value(nullptr);
  return Response::json(200, json::serialize(out));
}

asio::awaitable<Result<Response>> show_config(FarmRef farm, Request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  co_return config_answer(*farm.state);
}

asio::awaitable<Result<Response>> put_config(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  http::Body body(request.body);
  auto text = body.text("text", 0, request.body.size());
  const auto version = body.maybe_number("version", 0, std::numeric_limits<std::int64_t>::max());
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto replaced = replace_config(*farm.state, std::move(text),
                                 version ? std::optional(static_cast<std::uint64_t>(*version)) : std::nullopt);
  if (replaced) co_return config_answer(*farm.state);
  // The request is well-formed, what it carries is not (RFC 9110, 15.5.21).
  if (replaced.error().reason == reason::kConfigInvalid) co_return http::problem_with_status(422, replaced.error());
  co_return fail(std::move(replaced.error()));
}

asio::awaitable<Result<Response>> teams(FarmRef farm, Request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  const auto& config = *farm.state->config;
  json::array items;
  for (const auto& team : config.teams) items.push_back(json::object{{"name", team.name}, {"address", team.address}});
  auto out = http::page(std::move(items));
  out["flag_format"] = config.format->python();
  out["flag_lifetime_s"] = static_cast<double>(config.flag_lifetime.count()) / 1000;
  out["submit_period_s"] = static_cast<double>(config.submit_period.count()) / 1000;
  out["version"] = config.version;
  co_return Response::json(200, json::serialize(out));
}

/// A team's data, by the name that the jury uses, or by the configuration's name for the same address.
const json::value* team_of(const json::object& teams, const Config& config, const std::string& wanted) {
  if (const auto* found = teams.if_contains(wanted)) return found;
  const auto named = std::ranges::find(config.teams, wanted, &Team::name);
  return named == config.teams.end() ? nullptr : teams.if_contains(named->address);
}

json::object chosen(const Service::State& state, const std::string& service, const std::string& team) {
  json::object out;
  for (const auto& item : state.attack.services()) {
    if (!service.empty() && item.key() != service) continue;
    if (team.empty()) {
      out[item.key()] = item.value();
    } else if (const auto* found = team_of(item.value().get_object(), *state.config, team)) {
      out[item.key()] = json::object{{team, *found}};
    }
  }
  return out;
}

asio::awaitable<Result<Response>> attack_data(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  const auto& cache = farm.state->attack;
  const auto& part = cache.flag_ids();
  json::object out{{"services", chosen(*farm.state, request.query_value("service"), request.query_value("team"))},
                   {"stale", cache.stale(part, farm.state->parts.clock.now())}};
  out["fetched_at"] = part.fetched_at ? json::value(json::string(to_rfc3339(*part.fetched_at))) : json::value(nullptr);
  out["error"] = part.trouble.empty() ? json::value(nullptr) : json::value(json::string(part.trouble));
  co_return Response::json(200, json::serialize(out));
}

asio::awaitable<Result<Response>> attack_part(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  const auto& cache = farm.state->attack;
  const auto name = request.param("part");
  const auto* part = name == "raw"           ? &cache.flag_ids()
                     : name == "teams"       ? &cache.teams()
                     : name == "credentials" ? &cache.credentials()
                                             : nullptr;
  if (part == nullptr) co_return fail(Code::kNotFound, "route-unknown", "There are raw, teams and credentials.");
  if (!part->fetched_at)
    co_return fail(Code::kNotFound, "attack-data-missing",
                   part->trouble.empty() ? "Nothing was fetched from the jury yet."
                                         : "Nothing could be fetched from the jury yet: " + part->trouble);
  const auto now = farm.state->parts.clock.now();
  Response response = Response::json(200, part->text);
  response.headers.set("X-Stale", cache.stale(*part, now) ? "true" : "false");
  response.headers.set("Age",
                       std::to_string(std::max<std::int64_t>(0, (now - *part->fetched_at) / std::chrono::seconds{1})));
  co_return response;
}

}  // namespace

void add_game_routes(house::Routes& routes, FarmRef farm) {
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler, std::size_t body_limit = house::kUsualBody) {
    routes.add(
        std::move(method), std::move(pattern), rights, std::move(limits),
        [farm, handler](Request request) { return handler(farm, std::move(request)); }, body_limit);
  };
  add("GET", "/api/v1/farm/config", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, show_config);
  add("PUT", "/api/v1/farm/config", {Access::kOperator, Scope::kAdmin}, {"admin-change"}, put_config, 2 * 1024 * 1024);
  add("GET", "/api/v1/farm/teams", {Access::kAuthor, Scope::kFlags}, {"farm"}, teams);
  add("GET", "/api/v1/farm/attack-data", {Access::kAuthor, Scope::kFlags}, {"farm"}, attack_data);
  add("GET", "/api/v1/farm/attack-data/{part}", {Access::kAuthor, Scope::kFlags}, {"farm"}, attack_part);
}

}  // namespace tiltyard::farm
