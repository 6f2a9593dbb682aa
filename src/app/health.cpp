#include "app/health.h"

#include <boost/json.hpp>

#include "app/assets.h"
#include "app/measures.h"
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

asio::awaitable<Result<Response>> readyz(PartsRef parts, Request) {
  auto store = co_await parts->store.check();
  // Players can start as long as this one answers; what is on others is shown where it is.
  engine::Engine& where = parts->engines.of_new();
  const auto away = where.away();
  Result<> engine;
  if (away) engine = fail(*away);
  Result<> isolation;
  if (!away) isolation = co_await where.ensure_isolation();
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

asio::awaitable<Result<Response>> document(Request) {
  co_return Response::json(200, std::string(asset("openapi.json").value_or("{}")));
}

}  // namespace

void add_server_routes(house::Routes& routes, HealthParts needs) {
  const auto parts = std::make_shared<const HealthParts>(std::move(needs));
  const auto add = [&](std::string pattern, std::string_view free_because, auto handler) {
    routes.add("GET", std::move(pattern), {house::Access::kOpen}, house::Limits::none(free_because),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("/healthz", "A load balancer asks often, and it costs nothing.", healthz);
  add("/readyz", "A load balancer asks often; its answer is needed most when the server is busy.", readyz);
  add("/metrics", "Only with its own token or from this machine; monitoring must not go blind under load.", expose);
  routes.add("GET", "/openapi.json", {house::Access::kOpen}, {"document"}, document);
  metrics::on_collect([parts] {
    for (const auto& [name, engine] : parts->engines.all())
      metrics::gauge(measures::kEngineUp, {name}).set(engine->away() ? 0 : 1);
  });
}

}  // namespace tiltyard::app
