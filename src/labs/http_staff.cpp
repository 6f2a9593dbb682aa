// What staff see and change: usage, engines, templates at run time.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

#include "labs/events.h"
#include "labs/http.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

Result<TimePoint> time_query(const Request& request, std::string_view name, TimePoint standard) {
  const auto text = request.query_value(name);
  if (text.empty()) return standard;
  auto time = parse_rfc3339(text);
  if (!time) return fail(Code::kInvalid, "invalid-query", std::string(name) + ": " + time.error().message);
  return time;
}

asio::awaitable<Result<Response>> usage(PartsRef parts, Request request) {
  auto by = request.query_value("by");
  if (by.empty()) by = "cost_centre";
  if (by != "cost_centre" && by != "template" && by != "owner") {
    co_return fail(Code::kInvalid, "invalid-query", "by must be cost_centre, template or owner.");
  }
  const auto now = parts->clock.now();
  auto from = time_query(request, "from", now - std::chrono::days{30});
  if (!from) co_return fail(std::move(from.error()));
  auto to = time_query(request, "to", now);
  if (!to) co_return fail(std::move(to.error()));
  auto rows = co_await parts->service.store().usage(by, *from, *to);
  if (!rows) co_return fail(std::move(rows.error()));
  json::array items;
  for (const auto& row : *rows) {
    items.push_back({{"key", row.key},
                     {"instances", row.instances},
                     {"instance_hours", row.instance_hours},
                     {"cpu_seconds", row.cpu_seconds},
                     {"memory_gib_hours", row.memory_gib_hours}});
  }
  co_return Response::json(200, json::serialize(json::object{{"items", std::move(items)}, {"next", nullptr}}));
}

asio::awaitable<Result<Response>> engines(PartsRef parts, Request) {
  const auto away = parts->engine.away();
  json::object engine{{"name", parts->engine.name()}, {"state", away ? "away" : "ready"}, {"reason", nullptr}};
  if (away) {
    engine["reason"] = away->message;
  } else if (auto print = co_await parts->engine.fingerprint()) {
    engine["fingerprint"] = {{"kind", print->kind},
                             {"version", print->version},
                             {"api_version", print->api_version},
                             {"os", print->os},
                             {"arch", print->arch},
                             {"cpus", print->cpus},
                             {"memory_bytes", print->memory},
                             {"local", print->shares_files}};
  }
  json::object counts;
  for (const auto& live : parts->service.all_live()) {
    auto& count = counts[std::string(to_string(live->instance.state))];
    count = (count.is_int64() ? count.get_int64() : 0) + 1;
  }
  engine["counts"] = std::move(counts);
  const auto load = parts->service.spawn_load();
  engine["spawns"] = {{"limit", load.limit},
                      {"most", load.most},
                      {"under_way", load.under_way},
                      {"waiting", load.waiting},
                      {"per_second", load.per_second > 0 ? json::value(load.per_second) : json::value(nullptr)}};
  const json::object answer{{"items", json::array{std::move(engine)}}, {"next", nullptr}};
  co_return Response::json(200, json::serialize(answer));
}

asio::awaitable<Result<Response>> pools(PartsRef parts, Request) {
  json::array items;
  for (const auto& pool : parts->service.pools()) {
    items.push_back({{"template", pool.tmpl.str()},
                     {"kind", std::string(to_string(pool.kind))},
                     {"ready", pool.ready},
                     {"filling", pool.filling},
                     {"target", pool.target},
                     {"min", pool.min},
                     {"max", pool.max},
                     {"reason", pool.reason.empty() ? json::value(nullptr) : json::value(pool.reason)}});
  }
  co_return Response::json(200, json::serialize(json::object{{"items", std::move(items)}, {"next", nullptr}}));
}

std::unexpected<Error> invalid(std::string message) { return fail(Code::kInvalid, "invalid-body", std::move(message)); }

Result<std::int64_t> whole(const json::value& value, std::string_view name, std::int64_t least, std::int64_t most) {
  if (!value.is_int64() || value.get_int64() < least || value.get_int64() > most) {
    return invalid(fmt::format("'{}' must be a whole number from {} to {}.", name, least, most));
  }
  return value.get_int64();
}

Result<> read_limits(const json::value& value, Override& change) {
  if (!value.is_object()) return invalid("'limits' must be an object.");
  for (const auto& item : value.get_object()) {
    if (item.key() == "cpus") {
      const bool good =
          item.value().is_number() && item.value().to_number<double>() > 0 && item.value().to_number<double>() <= 256;
      if (!good) return invalid("'limits.cpus' must be a number from above 0 to 256.");
      change.cpus = item.value().to_number<double>();
    } else if (item.key() == "memory_bytes") {
      auto memory = whole(item.value(), "limits.memory_bytes", 4 << 20, std::int64_t{1} << 42);
      if (!memory) return fail(std::move(memory.error()));
      change.memory = *memory;
    } else if (item.key() == "pids") {
      auto pids = whole(item.value(), "limits.pids", 1, 1'000'000);
      if (!pids) return fail(std::move(pids.error()));
      change.pids = *pids;
    } else {
      return invalid(
          fmt::format("Unknown limit '{}'; known are cpus, memory_bytes and pids.", std::string(item.key())));
    }
  }
  return {};
}

Result<> read_lease(const json::value& value, Override& change) {
  if (!value.is_object()) return invalid("'lease' must be an object.");
  for (const auto& item : value.get_object()) {
    auto seconds = whole(item.value(), item.key(), 0, 366 * 86'400);
    if (!seconds) return fail(std::move(seconds.error()));
    if (item.key() == "timeout_s") change.timeout = std::chrono::seconds{std::max<std::int64_t>(1, *seconds)};
    else if (item.key() == "extend_s") change.extend_by = std::chrono::seconds{*seconds};
    else
      return invalid(
          fmt::format("Unknown lease number '{}'; known are timeout_s and extend_s.", std::string(item.key())));
  }
  return {};
}

Result<> read_pool(const json::value& value, Override& change) {
  if (!value.is_object()) return invalid("'pool' must be an object.");
  for (const auto& item : value.get_object()) {
    auto count = whole(item.value(), item.key(), 0, 10'000);
    if (!count) return fail(std::move(count.error()));
    if (item.key() == "min") change.pool_min = static_cast<int>(*count);
    else if (item.key() == "max") change.pool_max = static_cast<int>(*count);
    else
      return invalid(
          fmt::format("Unknown pool number '{}'; known are min and max.", std::string(item.key()).substr(0, 40)));
  }
  if (change.pool_min && change.pool_max && *change.pool_min > *change.pool_max) {
    return invalid("'pool.min' must not be more than 'pool.max'.");
  }
  return {};
}

/// Adds what the body says to what was changed before.
Result<Override> read_change(const std::string& body, Override change) {
  boost::system::error_code error;
  const auto value = json::parse(body, error);
  if (error || !value.is_object()) return invalid(R"(The body must be a JSON object like {"active": false}.)");
  for (const auto& item : value.get_object()) {
    Result<> read;
    if (item.key() == "active") {
      if (!item.value().is_bool()) return invalid("'active' must be true or false.");
      change.active = item.value().get_bool();
    } else if (item.key() == "max_instances") {
      auto most = whole(item.value(), "max_instances", 0, 1'000'000);
      if (!most) return fail(std::move(most.error()));
      change.max_instances = static_cast<int>(*most);
    } else if (item.key() == "pool") {
      read = read_pool(item.value(), change);
    } else if (item.key() == "limits") {
      read = read_limits(item.value(), change);
    } else if (item.key() == "lease") {
      read = read_lease(item.value(), change);
    } else {
      return invalid(fmt::format("Unknown member '{}'; known are active, max_instances, pool, limits and lease.",
                                 std::string(item.key()).substr(0, 40)));
    }
    if (!read) return fail(std::move(read.error()));
  }
  return change;
}

asio::awaitable<Result<Response>> change_template(PartsRef parts, Request request) {
  const TemplateId id(std::string(request.param("id")));
  const auto entry = parts->catalogue.find(id);
  if (!entry) co_return fail(Code::kNotFound, "template-unknown", "There is no such template.");
  const auto* before = parts->service.override_of(id);
  auto change = read_change(request.body, before ? *before : Override{});
  if (!change) co_return fail(std::move(change.error()));
  auto saved = co_await parts->service.set_override(id, std::move(*change), actor_of(request));
  if (!saved) co_return fail(std::move(saved.error()));
  co_return Response::json(200, json::serialize(template_view(parts->service, *entry, true)));
}

asio::awaitable<Result<Response>> rebuild(PartsRef parts, Request request) {
  const TemplateId id(std::string(request.param("id")));
  auto begun = parts->catalogue.rebuild(id);
  if (!begun) co_return fail(std::move(begun.error()));
  bus::Event event{events::kTemplateRebuild, id.str(), "", actor_of(request), parts->clock.now(), "{}"};
  auto noted = co_await parts->service.store().note(std::move(event));
  if (!noted) co_return fail(std::move(noted.error()));
  const auto entry = parts->catalogue.find(id);
  if (!entry) co_return fail(Code::kNotFound, "template-unknown", "There is no such template.");
  co_return Response::json(202, json::serialize(template_view(parts->service, *entry, true)));
}

}  // namespace

void add_staff_routes(house::Routes& routes, PartsRef parts) {
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler) {
    routes.add(std::move(method), std::move(pattern), rights, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("GET", "/api/v1/admin/usage", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, usage);
  add("GET", "/api/v1/admin/engines", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, engines);
  add("GET", "/api/v1/admin/pools", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, pools);
  add("PATCH", "/api/v1/admin/templates/{id}", {Access::kOperator, Scope::kAdmin}, {"admin-change"}, change_template);
  add("POST", "/api/v1/admin/templates/{id}/rebuild", {Access::kOperator, Scope::kAdmin},
      {"admin-change", "template-rebuild"}, rebuild);
}

}  // namespace tiltyard::labs
