// What staff see and change: usage, engines, templates at run time.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

#include <set>
#include "labs/events.h"

#include "labs/http.h"
#include "net/body.h"
#include "net/page.h"

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
  co_return http::page_answer(std::move(items));
}

json::array facets_of(engine::Engine& engine) {
  json::array out;
  if (engine.images()) out.emplace_back("images");
  if (engine.shell()) out.emplace_back("shell");
  if (engine.archives()) out.emplace_back("archives");
  if (engine.freezer()) out.emplace_back("freezer");
  return out;
}

json::object counts_on(const Service& service, const std::string& engine) {
  json::object counts;
  for (const auto& live : service.all_live()) {
    // What is queued has no engine yet, and waits for the one that new instances are made on.
    if (service.engine_name_of(live->instance) != engine) continue;
    auto& count = counts[std::string(to_string(live->instance.state))];
    count = (count.is_int64() ? count.get_int64() : 0) + 1;
  }
  return counts;
}

asio::awaitable<json::object> engine_view(PartsRef parts, std::string name) {
  engine::Engine& engine = parts->engines.of(name);
  const auto away = engine.away();
  json::object out{{"name", name}, {"state", away ? "away" : "ready"}, {"reason", nullptr}};
  out["counts"] = counts_on(parts->service, name);
  if (away) {
    out["reason"] = away->message;
    co_return out;
  }
  if (auto print = co_await engine.fingerprint()) {
    out["fingerprint"] = {{"kind", print->kind},
                          {"version", print->version},
                          {"api_version", print->api_version},
                          {"os", print->os},
                          {"arch", print->arch},
                          {"cpus", print->cpus},
                          {"memory_bytes", print->memory},
                          {"local", print->shares_files}};
    out["can"] = facets_of(engine);
  }
  co_return out;
}

/// All that are configured, and those that instances still name.
asio::awaitable<Result<Response>> engines(PartsRef parts, Request) {
  std::set<std::string> names;
  for (const auto& [name, engine] : parts->engines.all()) names.insert(name);
  for (const auto& live : parts->service.all_live()) names.insert(parts->service.engine_name_of(live->instance));
  json::array items;
  for (const auto& name : names) {
    auto item = co_await engine_view(parts, name);
    if (name == parts->engines.chosen()) {
      const auto load = parts->service.spawn_load();
      item["spawns"] = {{"limit", load.limit},
                        {"most", load.most},
                        {"under_way", load.under_way},
                        {"waiting", load.waiting},
                        {"per_second", load.per_second > 0 ? json::value(load.per_second) : json::value(nullptr)}};
    }
    items.push_back(std::move(item));
  }
  co_return http::page_answer(std::move(items));
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
  co_return http::page_answer(std::move(items));
}

std::optional<int> small(std::optional<std::int64_t> number) {
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

/// `to` becomes what is said, if something is.
template <class T>
void take(std::optional<T> said, std::optional<T>& to) {
  if (said) to = std::move(said);
}

/// Up to what the configuration lets any template have: the host is its operator's to give away.
void read_limits(http::Body body, const engine::Resources& most, Override& change) {
  take(body.maybe_real("cpus", 0.001, most.cpus), change.cpus);
  take(body.maybe_number("memory_bytes", 4 << 20, most.memory), change.memory);
  take(body.maybe_number("pids", 1, most.pids), change.pids);
}

void read_lease(http::Body body, Override& change) {
  constexpr std::int64_t kYear = 366 * 86'400;
  if (const auto timeout = body.maybe_number("timeout_s", 0, kYear))
    change.timeout = std::chrono::seconds{std::max<std::int64_t>(1, *timeout)};
  if (const auto extend = body.maybe_number("extend_s", 0, kYear)) change.extend_by = std::chrono::seconds{*extend};
}

void read_pool(http::Body body, Override& change) {
  take(small(body.maybe_number("min", 0, 10'000)), change.pool_min);
  take(small(body.maybe_number("max", 0, 10'000)), change.pool_max);
  if (change.pool_min && change.pool_max && *change.pool_min > *change.pool_max)
    body.refuse("'pool.min' must not be more than 'pool.max'.");
}

/// Adds what the body says to what was changed before.
Result<Override> read_change(const std::string& bytes, const engine::Resources& most, Override change) {
  http::Body body(bytes);
  take(body.maybe_flag("active"), change.active);
  take(small(body.maybe_number("max_instances", 0, 1'000'000)), change.max_instances);
  if (auto pool = body.maybe_inside("pool")) read_pool(std::move(*pool), change);
  if (auto limits = body.maybe_inside("limits")) read_limits(std::move(*limits), most, change);
  if (auto lease = body.maybe_inside("lease")) read_lease(std::move(*lease), change);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return change;
}

asio::awaitable<Result<Response>> change_template(PartsRef parts, Request request) {
  const TemplateId id(std::string(request.param("id")));
  const auto entry = parts->catalogue.find(id);
  if (!entry) co_return fail(Code::kNotFound, "template-unknown", "There is no such template.");
  const auto* before = parts->service.override_of(id);
  auto change = read_change(request.body, parts->catalogue.ceiling(), before ? *before : Override{});
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
