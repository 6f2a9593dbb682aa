#include "app/health.h"

#include <boost/json.hpp>

#include <algorithm>

#include "app/assets.h"
#include "app/measures.h"
#include "net/text.h"
#include "observe/metrics.h"

namespace tiltyard::app {
namespace {

namespace json = boost::json;
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

bool loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

/// A proxy that we do not know of says with these that it is one.
bool forwarded(const Request& request) {
  return std::ranges::any_of(request.headers, [](const auto& field) {
    return same_text(field.first, "Forwarded") || same_text(field.first, "X-Real-IP") ||
           (field.first.size() > 12 && same_text(std::string_view(field.first).substr(0, 12), "X-Forwarded-"));
  });
}

bool may_look_inside(const HealthParts& parts, const Request& request) {
  const std::string_view given = request.headers.get("Authorization");
  if (given.starts_with("Bearer ") && !parts.metrics_token.empty() && parts.metrics_token.equals(given.substr(7)))
    return true;
  return parts.metrics_token.empty() && parts.loopback_is_ours && loopback(request.remote_address) &&
         !forwarded(request);
}

struct Readiness {
  bool good = false;
  json::array checks;
};

asio::awaitable<Readiness> look(const HealthParts* parts) {
  auto store = co_await parts->store.check();
  const bool started = parts->started->load();
  const Result<> start = started ? Result<>{} : fail(Code::kUnavailable, "starting", "The server is still starting.");
  Readiness out{started && store.has_value(), {check("start", start), check("store", store)}};
  const bool alone = parts->engines.all().size() == 1;
  for (const auto& [name, engine] : parts->engines.all()) {
    const auto away = engine->away();
    const Result<> there = away ? Result<>(fail(*away)) : Result<>{};
    Result<> isolated;
    if (!away) isolated = co_await engine->ensure_isolation();
    // Players can start as long as the one for new instances works; what others lack is said, and concerns only what is
    // on them.
    if (name == parts->engines.chosen()) out.good = out.good && there && isolated;
    out.checks.push_back(check(alone ? "engine" : "engine " + name, there));
    out.checks.push_back(check(alone ? "isolation" : "isolation " + name, isolated));
  }
  co_return out;
}

asio::awaitable<Result<Response>> readyz(PartsRef parts, Request request) {
  const auto found = co_await look(parts.get());
  json::object answer{{"status", found.good ? "ok" : "failing"}, {"checks", json::array{}}};
  if (may_look_inside(*parts, request)) answer["checks"] = found.checks;
  co_return Response::json(found.good ? 200 : 503, json::serialize(answer));
}

asio::awaitable<Result<Response>> expose(PartsRef parts, Request request) {
  if (!may_look_inside(*parts, request)) {
    co_return fail(Code::kUnauthenticated, "not-signed-in",
                   "Metrics need the bearer token of metrics.token. Without one they are for this machine's own "
                   "programs, where neither server.public_url nor server.trusted_proxies is set.");
  }
  Response response = Response::text(200, metrics::expose());
  response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  co_return response;
}

asio::awaitable<Result<Response>> document(Request) {
  co_return Response::json(200, std::string(asset("openapi.json").value_or("{}")));
}

}  // namespace

void add_server_routes(house::Routes& routes, HealthParts needs) {
  const auto parts = std::make_shared<const HealthParts>(std::move(needs));
  const auto add = [&](std::string pattern, house::Limits limits, auto handler) {
    routes.add("GET", std::move(pattern), {house::Access::kOpen}, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("/healthz", house::Limits::none("A load balancer asks often, and it costs nothing."), healthz);
  add("/readyz", {"probe"}, readyz);
  add("/metrics", {"probe"}, expose);
  routes.add("GET", "/openapi.json", {house::Access::kOpen}, {"document"}, document);
  metrics::on_collect([parts] {
    for (const auto& [name, engine] : parts->engines.all())
      metrics::gauge(measures::kEngineUp, {name}).set(engine->away() ? 0 : 1);
  });
}

}  // namespace tiltyard::app
