// What staff see and change of the limiters.
#include <boost/json.hpp>

#include <fmt/format.h>

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

std::unexpected<Error> invalid_body(std::string message) {
  return fail(Code::kInvalid, "invalid-body", std::move(message));
}

struct Change {
  std::size_t limiter = 0;
  std::optional<Rates> rates;
};

Result<> read_number(const json::value& value, std::string_view name, std::int64_t least, std::int64_t most,
                     std::int64_t& into) {
  if (!value.is_int64() || value.get_int64() < least || value.get_int64() > most) {
    return invalid_body(fmt::format("'{}' must be a whole number from {} to {}.", name, least, most));
  }
  into = value.get_int64();
  return {};
}

/// {"name": …} with burst, rate and per_day, of which those that are missing stay; or {"name": …, "reset": true}.
Result<Change> read_change(const limits::Service& service, const std::string& body) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  const auto value = json::parse(body, error, {}, options);
  if (error || !value.is_object())
    return invalid_body(R"(The body must be a JSON object like {"name": "list-read", "burst": 50, "rate": 100}.)");
  const auto& object = value.get_object();
  const auto* name = object.if_contains("name");
  if (name == nullptr || !name->is_string()) return invalid_body("'name' is missing: which limiter?");
  const auto place = service.find(name->get_string());
  if (!place) return fail(Code::kNotFound, "limiter-unknown", "There is no such limiter.");
  Rates rates = service.rates(*place);
  bool reset = false;
  for (const auto& item : object) {
    Result<> read;
    if (item.key() == "name") continue;
    if (item.key() == "burst") read = read_number(item.value(), "burst", 1, kMostRate, rates.burst);
    else if (item.key() == "rate") read = read_number(item.value(), "rate", 1, kMostRate, rates.rate);
    else if (item.key() == "per_day" && item.value().is_null()) rates.per_day = 0;
    else if (item.key() == "per_day") read = read_number(item.value(), "per_day", 1, kMostPerDay, rates.per_day);
    else if (item.key() == "reset" && item.value().is_bool()) reset = item.value().get_bool();
    else
      return invalid_body(fmt::format("Unknown member '{}'; known are name, burst, rate, per_day and reset.",
                                      std::string(item.key()).substr(0, 40)));
    if (!read) return fail(std::move(read.error()));
  }
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
  const json::object answer{{"items", std::move(items)},
                            {"next", nullptr},
                            {"counted_in", parts->service.counted_in()},
                            {"free", std::move(free)}};
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
