#include "snapshots/http.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "identity/identity.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::snapshots {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;

struct Needs {
  Service& service;
  labs::Capability& labs;
};
using NeedsRef = std::shared_ptr<const Needs>;

constexpr std::int64_t kMostBytes = std::int64_t{1} << 50;

json::object view(const Snapshot& one) {
  json::array machines;
  for (const auto& part : one.parts)
    machines.push_back(json::object{{"name", part.machine}, {"bytes", part.bytes}, {"files", part.files}});
  return {{"id", one.id},
          {"name", one.name},
          {"created_at", to_rfc3339(one.created_at)},
          {"taken_by", one.taken_by},
          {"bytes", one.bytes()},
          {"machines", std::move(machines)}};
}

asio::awaitable<Result<Response>> list(NeedsRef needs, Request request) {
  auto instance = co_await labs::visible_instance(&needs->labs.service(), request);
  if (!instance) co_return fail(std::move(instance.error()));
  json::array items;
  for (const auto& one : needs->service.of(instance->id)) items.push_back(view(one));
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Result<Response>> take(NeedsRef needs, Request request) {
  auto body = http::Body::or_empty(request.body);
  auto name = body.maybe_text("name", 1, 60).value_or("");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  auto instance = co_await labs::visible_instance(&needs->labs.service(), request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto one = co_await needs->service.take(std::move(*instance), std::move(name), identity::actor_of(request));
  if (!one) co_return fail(std::move(one.error()));
  co_return Response::json(201, json::serialize(view(*one)));
}

asio::awaitable<Result<Response>> remove(NeedsRef needs, Request request) {
  auto instance = co_await labs::visible_instance(&needs->labs.service(), request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto removed =
      co_await needs->service.remove(instance->id, std::string(request.param("snapshot")), identity::actor_of(request));
  if (!removed) co_return fail(std::move(removed.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<Response>> roll_back(NeedsRef needs, Request request) {
  auto instance = co_await labs::visible_instance(&needs->labs.service(), request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto begun = co_await needs->service.roll_back(instance->id, std::string(request.param("snapshot")),
                                                 identity::actor_of(request));
  if (!begun) co_return fail(std::move(begun.error()));
  auto now = co_await needs->labs.service().find(instance->id);
  if (!now) co_return fail(std::move(now.error()));
  const auto& shown = *now ? **now : *instance;
  co_return Response::json(202,
                           json::serialize(labs::instance_view(needs->labs.service(), shown, needs->labs.address())));
}

/// What the client does not take is not read.
asio::awaitable<void> copy(Pieces pieces, std::shared_ptr<http::BodyWriter> to) {
  while (true) {
    auto piece = co_await pieces();
    // Cut off in the middle, so that nobody takes what came for the whole: the length is chunked.
    if (!piece) throw std::runtime_error("an export was cut: " + piece.error().message);
    if (piece->empty()) co_return;
    if (auto written = co_await to->write(std::move(*piece)); !written) co_return;
  }
}

asio::awaitable<Result<Response>> files(NeedsRef needs, Request request) {
  const auto from = http::query_number(request, "from", 0, 0, kMostBytes);
  if (!from) co_return fail(from.error());
  auto instance = co_await labs::visible_instance(&needs->labs.service(), request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto opened = co_await needs->service.open(instance->id, std::string(request.param("snapshot")),
                                             request.query_value("machine"), static_cast<std::uint64_t>(*from),
                                             request.query_value("of"), identity::actor_of(request));
  if (!opened) co_return fail(std::move(opened.error()));
  Response response;
  response.headers.set("Content-Type", "application/x-tar");
  response.headers.set("ETag", fmt::format("\"{}\"", opened->files));
  response.headers.set("Content-Disposition",
                       fmt::format("attachment; filename=\"{}-{}.tar\"", instance->id.str(), opened->machine));
  response.stream = [pieces = std::move(opened->pieces)](std::shared_ptr<http::BodyWriter> to) {
    return copy(pieces, std::move(to));
  };
  co_return response;
}

}  // namespace

void add_routes(house::Routes& routes, Service& service, labs::Capability& labs) {
  const auto needs = std::make_shared<const Needs>(Needs{service, labs});
  const auto add = [&](const char* method, const char* pattern, Scope scope, const char* limit, auto handler) {
    routes.add(method, pattern, {Access::kSignedIn, scope, Whose::kOwner}, {limit},
               [needs, handler](Request request) { return handler(needs, std::move(request)); });
  };
  add("GET", "/api/v1/instances/{id}/snapshots", Scope::kRead, "list-read", list);
  add("POST", "/api/v1/instances/{id}/snapshots", Scope::kInstances, "snapshot-change", take);
  add("DELETE", "/api/v1/instances/{id}/snapshots/{snapshot}", Scope::kInstances, "snapshot-change", remove);
  add("POST", "/api/v1/instances/{id}/snapshots/{snapshot}/roll-back", Scope::kInstances, "snapshot-change", roll_back);
  add("GET", "/api/v1/instances/{id}/snapshots/{snapshot}/files", Scope::kInstances, "snapshot-export", files);
}

}  // namespace tiltyard::snapshots
