#include "app/health.h"

#include <boost/json.hpp>

#include <map>

#include "observe/metrics.h"

namespace tiltyard::app {
namespace {

namespace json = boost::json;
using http::Access;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HealthParts>;

json::object check(std::string_view name, const Result<>& result) {
  return {{"name", name},
          {"status", result ? "ok" : "failing"},
          {"detail", result ? std::string() : result.error().message}};
}

asio::awaitable<Result<Response>> healthz(PartsRef, Request) {
  co_return Response::json(200, R"({"status":"ok","checks":[]})");
}

asio::awaitable<Result<Response>> readyz(PartsRef parts, Request) {
  auto store = co_await parts->store.check();
  const auto away = parts->engine.away();
  Result<> engine;
  if (away) engine = fail(*away);
  Result<> isolation;
  if (!away) isolation = co_await parts->engine.ensure_isolation();
  const bool good = store && engine && isolation;
  json::array checks{check("store", store), check("engine", engine), check("isolation", isolation)};
  const json::object answer{{"status", good ? "ok" : "failing"}, {"checks", std::move(checks)}};
  co_return Response::json(good ? 200 : 503, json::serialize(answer));
}

bool loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

asio::awaitable<Result<Response>> expose(PartsRef parts, Request request) {
  const std::string_view given = request.headers.get("Authorization");
  const bool allowed = parts->metrics_token.empty()
                           ? loopback(request.remote_address)
                           : given.starts_with("Bearer ") && parts->metrics_token.equals(given.substr(7));
  if (!allowed) {
    co_return fail(Code::kUnauthenticated, "not-signed-in",
                   "Metrics need the bearer token of metrics.token, or a loopback address.");
  }
  Response response = Response::text(200, metrics::expose());
  response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  co_return response;
}

}  // namespace

void add_health_routes(http::Router& router, PartsRef parts) {
  const auto add = [&](std::string pattern, auto handler) {
    router.add({"GET", std::move(pattern), Access::kOpen,
                [parts, handler](Request request) { return handler(parts, std::move(request)); }});
  };
  add("/healthz", healthz);
  add("/readyz", readyz);
  add("/metrics", expose);
}

void add_gauges(PartsRef parts) {
  metrics::on_collect([parts] {
    std::map<std::string, double> states;
    for (const auto* word : {"queued", "preparing", "starting", "running", "paused", "stopping"}) states[word] = 0;
    for (const auto& live : parts->labs.all_live()) {
      if (live->instance.pool != labs::PoolRole::kWaiting)
        states[std::string(labs::to_string(live->instance.state))] += 1;
    }
    for (const auto& pool : parts->labs.pools()) {
      const metrics::Labels labels{{"template", pool.tmpl.str()}};
      metrics::gauge("tiltyard_pool_ready", "Instances that wait for an owner", labels)
          .set(static_cast<double>(pool.ready));
      metrics::gauge("tiltyard_pool_target", "Instances that should wait for an owner", labels)
          .set(static_cast<double>(pool.target));
    }
    for (const auto& [word, count] : states) {
      metrics::gauge("tiltyard_instances", "Live instances by state", {{"state", word}}).set(count);
    }
    double ready = 0, broken = 0;
    const auto entries = parts->catalogue.list();
    for (const auto& entry : entries) {
      ready += entry.state == templates::State::kReady ? 1 : 0;
      broken += entry.state == templates::State::kBroken ? 1 : 0;
    }
    metrics::gauge("tiltyard_templates", "Templates by state", {{"state", "all"}})
        .set(static_cast<double>(entries.size()));
    metrics::gauge("tiltyard_templates", "Templates by state", {{"state", "ready"}}).set(ready);
    metrics::gauge("tiltyard_templates", "Templates by state", {{"state", "broken"}}).set(broken);
    metrics::gauge("tiltyard_engine_up", "Whether the engine answers").set(parts->engine.away() ? 0 : 1);
  });
}

}  // namespace tiltyard::app
