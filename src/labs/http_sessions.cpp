// Who is in an instance's machines, and how they are thrown out.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "labs/machine_calls.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

asio::awaitable<Result<Response>> list_sessions(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  json::array all;
  for (const auto& each : parts->service.sessions().of(instance->id)) {
    all.push_back(json::object{{"id", each.id},
                               {"kind", each.kind},
                               {"machine", each.machine},
                               {"user", json::object{{"id", each.user.str()}, {"name", each.user_name}}},
                               {"begun_at", to_rfc3339(each.begun)}});
  }
  co_return Response::json(200, json::serialize(json::object{{"sessions", std::move(all)}}));
}

asio::awaitable<Result<Response>> end_session(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  const auto end = parts->service.sessions().end_of(instance->id, std::string(request.param("session")));
  if (!end) co_return fail(Code::kNotFound, "open-session-unknown", "Nothing of this name is open in the instance.");
  auto stopped = co_await end();
  if (!stopped) co_return fail(for_player(std::move(stopped.error())));
  co_return Response::empty(204);
}

}  // namespace

void add_session_routes(house::Routes& routes, PartsRef parts) {
  const house::Rights rights{house::Access::kSignedIn, house::Scope::kInstances, house::Whose::kOwner};
  routes.add("GET", "/api/v1/instances/{id}/sessions",
             {house::Access::kSignedIn, house::Scope::kRead, house::Whose::kOwner}, {"list-read"},
             [parts](Request request) { return list_sessions(parts, std::move(request)); });
  routes.add("DELETE", "/api/v1/instances/{id}/sessions/{session}", rights, {"exec"},
             [parts](Request request) { return end_session(parts, std::move(request)); });
}

}  // namespace tiltyard::labs
