// The certificates, for staff; and what an authority asks for over http-01.
#include <boost/json.hpp>

#include "bus/event_log.h"
#include "certificates/certificates.h"
#include "certificates/events.h"
#include "identity/identity.h"
#include "net/page.h"

namespace tiltyard::certificates {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using http::Request;
using http::Response;

json::value or_null(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::object json_of(const Standing& one) {
  return {{"id", one.name},
          {"names", json::array(one.names.begin(), one.names.end())},
          {"state", one.state},
          {"error", or_null(one.error)},
          {"issuer", or_null(one.issuer)},
          {"not_before", or_null(one.not_before)},
          {"not_after", or_null(one.not_after)},
          {"next_try", or_null(one.next_try)}};
}

asio::awaitable<Result<Response>> list(Service* service, Request) {
  auto all = co_await service->list();
  if (!all) co_return fail(std::move(all.error()));
  json::array items;
  for (const auto& one : *all) items.push_back(json_of(one));
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Result<Response>> renew(Service* service, Request request) {
  auto done = co_await service->renew(std::string(request.param("name")), identity::actor_of(request));
  if (!done) co_return fail(std::move(done.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<Response>> answer(Service* service, Request request) {
  auto text = service->answer_to(request.param("token"));
  if (!text) co_return fail(Code::kNotFound, "proof-unknown", "Nothing is proved by this now.");
  co_return Response::text(200, std::move(*text));
}

}  // namespace

void add_routes(house::Routes& routes, Service& service) {
  auto* own = &service;
  routes.add("GET", "/api/v1/admin/certificates", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
             [own](Request request) { return list(own, std::move(request)); });
  routes.add("POST", "/api/v1/admin/certificates/{name}/renew", {Access::kAdmin, Scope::kAdmin}, {"admin-change"},
             [own](Request request) { return renew(own, std::move(request)); });
  routes.add("GET", "/.well-known/acme-challenge/{token}", {Access::kOpen}, {"probe"},
             [own](Request request) { return answer(own, std::move(request)); });
}

}  // namespace tiltyard::certificates
