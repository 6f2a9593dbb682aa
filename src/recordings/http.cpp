// Recordings over HTTP (row 3.5): api/paths/recordings.yaml.
#include "recordings/http.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "identity/identity.h"
#include "net/page.h"

namespace tiltyard::recordings {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;

json::object view(const Recording& one) {
  return {{"id", one.id},
          {"instance", one.what.instance.str()},
          {"machine", one.what.machine},
          {"kind", one.what.kind},
          {"by", one.what.by.name},
          {"columns", one.what.columns},
          {"rows", one.what.rows},
          {"started_at", to_rfc3339(one.started_at)},
          {"ended_at", one.ended_at ? json::value(to_rfc3339(*one.ended_at)) : json::value(nullptr)},
          {"end_reason", one.end_reason.empty() ? json::value(nullptr) : json::value(one.end_reason)},
          {"size", one.size}};
}

/// The one that the path names; somebody else's answers as one that does not exist.
asio::awaitable<Result<Recording>> visible(Recordings* service, Request request) {
  auto found = co_await service->find(std::string(request.param("id")));
  if (!found) co_return found;
  const auto& who = identity::principal_of(request);
  if (who.staff() || who.owner() == found->what.owner) co_return found;
  co_return fail(Code::kNotFound, "recording-unknown", "There is no such recording, or it is not kept any more.");
}

asio::awaitable<Result<Response>> list(Recordings* service, Request request) {
  const auto& who = identity::principal_of(request);
  auto found =
      co_await service->list(InstanceId(request.query_value("instance")), who.staff() ? std::string() : who.owner());
  if (!found) co_return fail(std::move(found.error()));
  json::array items;
  for (const auto& one : *found) items.push_back(view(one));
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Result<Response>> show(Recordings* service, Request request) {
  auto found = co_await visible(service, std::move(request));
  if (!found) co_return fail(std::move(found.error()));
  co_return Response::json(200, json::serialize(view(*found)));
}

asio::awaitable<void> copy(Recordings* service, std::string id, std::shared_ptr<http::BodyWriter> to) {
  for (std::uint64_t at = 0;;) {
    auto piece = co_await service->read(id, at);
    // Cut off in the middle, so that nobody takes what came for the whole: the length is chunked.
    if (!piece) throw std::runtime_error("a recording could not be read: " + piece.error().cause);
    if (piece->empty()) co_return;
    at += piece->size();
    if (auto written = co_await to->write(std::move(*piece)); !written) co_return;
  }
}

asio::awaitable<Result<Response>> file(Recordings* service, Request request) {
  const auto actor = identity::actor_of(request);
  auto found = co_await visible(service, std::move(request));
  if (!found) co_return fail(std::move(found.error()));
  if (auto noted = co_await service->seen(*found, actor); !noted) co_return fail(std::move(noted.error()));
  Response response;
  response.headers.set("Content-Type", "application/x-asciicast");
  response.headers.set("Content-Disposition", fmt::format("attachment; filename=\"recording-{}.cast\"", found->id));
  response.stream = [service, id = found->id](std::shared_ptr<http::BodyWriter> to) {
    return copy(service, id, std::move(to));
  };
  co_return response;
}

asio::awaitable<Result<Response>> remove(Recordings* service, Request request) {
  auto removed = co_await service->remove(std::string(request.param("id")), identity::actor_of(request));
  if (!removed) co_return fail(std::move(removed.error()));
  co_return Response::empty(204);
}

}  // namespace

void add_routes(house::Routes& routes, Recordings& service) {
  const auto add = [&](const char* method, const char* pattern, house::Rights rights, const char* limit, auto handler) {
    routes.add(method, pattern, rights, {limit},
               [own = &service, handler](Request request) { return handler(own, std::move(request)); });
  };
  const house::Rights own{Access::kSignedIn, Scope::kInstances, Whose::kOwner};
  add("GET", "/api/v1/recordings", own, "list-read", list);
  add("GET", "/api/v1/recordings/{id}", own, "list-read", show);
  add("GET", "/api/v1/recordings/{id}/file", own, "recording-file", file);
  // Whom it is about does not make it go away.
  add("DELETE", "/api/v1/recordings/{id}", {Access::kOperator, Scope::kAdmin}, "admin-change", remove);
}

}  // namespace tiltyard::recordings
