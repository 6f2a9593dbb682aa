// What staff see and change of the limiters.
#include <boost/json.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "net/body.h"
#include "net/page.h"
#include "rates/rates.h"

namespace tiltyard::rates {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using namespace limits;
using http::Request;
using http::Response;

json::object rates_json(const Rates& rates) {
  return {{"burst", rates.burst},
          {"rate", rates.rate},
          {"per_day", rates.per_day > 0 ? json::value(rates.per_day) : json::value(nullptr)}};
}

json::object limiter_json(const limits::Service& service, const http::Router& router, std::size_t place) {
  const Limiter& limiter = service.limiters()[place];
  json::array routes;
  for (const auto& route : router.routes()) {
    if (std::ranges::find(route.limits, limiter.name) != route.limits.end())
      routes.push_back(json::string(route.method + " " + route.pattern));
  }
  json::object out{{"name", limiter.name},
                   {"about", limiter.about},
                   {"key", to_string(limiter.key)},
                   {"window_s", limiter.window.count()},
                   {"changed", service.changed(place)},
                   {"standard", rates_json(limiter.standard)},
                   {"routes", std::move(routes)}};
  for (auto& item : rates_json(service.rates(place))) out.emplace(item.key(), item.value());
  return out;
}

struct Change {
  std::size_t limiter = 0;
  std::optional<Rates> rates;
};

/// {"name": …} with burst, rate and per_day, of which those that are missing stay; or {"name": …, "reset": true}.
Result<Change> read_change(const limits::Service& service, const std::string& bytes) {
  http::Body body(bytes);
  const auto name = body.text("name", 1, 100);
  const auto burst = body.maybe_number("burst", 1, kMostRate), rate = body.maybe_number("rate", 1, kMostRate);
  const bool unlimited = body.is_null("per_day");
  const auto per_day = body.maybe_number("per_day", 1, kMostPerDay);
  const bool reset = body.maybe_flag("reset").value_or(false);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  const auto place = service.find(name);
  if (!place) return fail(Code::kNotFound, "limiter-unknown", "There is no such limiter.");
  Rates rates = service.rates(*place);
  rates.burst = burst.value_or(rates.burst);
  rates.rate = rate.value_or(rates.rate);
  rates.per_day = unlimited ? 0 : per_day.value_or(rates.per_day);
  if (reset || rates == service.limiters()[*place].standard) return Change{*place, std::nullopt};
  return Change{*place, rates};
}

struct Parts {
  const house::Routes& routes;
  limits::Service& service;
};
using PartsRef = std::shared_ptr<const Parts>;

json::object shown(const Parts& parts, std::size_t place) {
  return limiter_json(parts.service, parts.routes.router(), place);
}

asio::awaitable<Result<Response>> list(PartsRef parts, Request) {
  json::array items, free;
  for (std::size_t i = 0; i < parts->service.limiters().size(); ++i) items.push_back(shown(*parts, i));
  for (const auto& route : parts->routes.all()) {
    if (route.limits.names().empty())
      free.push_back(json::object{{"route", route.name()}, {"why", route.limits.because()}});
  }
  auto answer = http::page(std::move(items));
  answer["counted_in"] = parts->service.counted_in();
  answer["free"] = std::move(free);
  co_return Response::json(200, json::serialize(answer));
}

asio::awaitable<Result<Response>> change(PartsRef parts, Request request) {
  const auto wanted = read_change(parts->service, request.body);
  if (!wanted) co_return fail(wanted.error());
  auto done = co_await parts->service.change(wanted->limiter, wanted->rates, identity::principal_of(request).name);
  if (!done) co_return fail(std::move(done.error()));
  co_return Response::json(200, json::serialize(shown(*parts, wanted->limiter)));
}

}  // namespace

void add_routes(house::Routes& routes, limits::Service& service) {
  const auto parts = std::make_shared<const Parts>(Parts{routes, service});
  routes.add("GET", "/api/v1/admin/limits", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
             [parts](Request request) { return list(parts, std::move(request)); });
  routes.add("PATCH", "/api/v1/admin/limits", {Access::kAdmin, Scope::kAdmin}, {"admin-change"},
             [parts](Request request) { return change(parts, std::move(request)); });
}

}  // namespace tiltyard::rates
