// What staff see: usage, engines, pools.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <set>

#include "labs/http.h"
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
}

}  // namespace tiltyard::labs
