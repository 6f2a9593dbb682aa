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

asio::awaitable<Result<Response>> list_sessions(PartsRef parts, OpenRef open, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  json::array all;
  for (const auto& each : open->sessions.of(instance->id)) {
    all.push_back(json::object{{"id", each.id},
                               {"kind", each.kind},
                               {"machine", each.machine},
                               {"user", json::object{{"id", each.user.str()}, {"name", each.user_name}}},
                               {"begun_at", to_rfc3339(each.begun)}});
  }
  co_return Response::json(200, json::serialize(json::object{{"sessions", std::move(all)}}));
}

asio::awaitable<Result<Response>> end_session(PartsRef parts, OpenRef open, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  const auto stream = open->sessions.stream(instance->id, std::string(request.param("session")));
  if (!stream) co_return fail(Code::kNotFound, "open-session-unknown", "Nothing of this name is open in the instance.");
  auto stopped = co_await stream->stop();
  if (!stopped) co_return fail(for_player(std::move(stopped.error())));
  co_return Response::empty(204);
}

}  // namespace

void add_session_routes(house::Routes& routes, PartsRef parts, OpenRef open) {
  const house::Rights rights{house::Access::kSignedIn, house::Scope::kInstances, house::Whose::kOwner};
  routes.add("GET", "/api/v1/instances/{id}/sessions",
             {house::Access::kSignedIn, house::Scope::kRead, house::Whose::kOwner}, {"list-read"},
             [parts, open](Request request) { return list_sessions(parts, open, std::move(request)); });
  routes.add("DELETE", "/api/v1/instances/{id}/sessions/{session}", rights, {"exec"},
             [parts, open](Request request) { return end_session(parts, open, std::move(request)); });
}

}  // namespace tiltyard::labs
