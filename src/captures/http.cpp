// Captures over HTTP (row 2.7): api/paths/captures.yaml.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <tuple>

#include "bpf/filter.h"
#include "captures/http.h"
#include "identity/identity.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::captures {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;

constexpr std::int64_t kLeastBytes = 1 << 20, kMostBytes = std::int64_t{1} << 50, kMostSeconds = 30 * 86'400;

json::value or_null(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

std::string_view state_of(const Service& service, const Capture& capture) {
  if (capture.ended_at) return "ended";
  return service.runs(capture.id) ? "running" : "interrupted";
}

json::object view(const Service& service, const Capture& capture) {
  json::array networks, gaps;
  for (const auto& network : capture.networks) networks.emplace_back(network);
  for (const auto& gap : capture.gaps)
    gaps.push_back(json::object{{"from", to_rfc3339(gap.from)}, {"to", to_rfc3339(gap.to)}});
  return {{"id", capture.id},
          {"instance", capture.instance.str()},
          {"template", capture.tmpl},
          {"template_name", capture.template_name},
          {"owner", capture.owner},
          {"owner_name", capture.owner_name},
          {"state", state_of(service, capture)},
          {"cause", to_string(capture.cause)},
          {"started_by", or_null(capture.started_by)},
          {"filter", or_null(capture.filter)},
          {"networks", std::move(networks)},
          {"most_bytes", capture.bytes},
          {"most_age_s", capture.age.count() > 0 ? json::value(capture.age.count()) : json::value(nullptr)},
          {"started_at", to_rfc3339(capture.started_at)},
          {"until", or_null(capture.until)},
          {"ended_at", or_null(capture.ended_at)},
          {"end_reason", or_null(capture.end_reason)},
          {"packets", capture.packets},
          {"bytes", capture.seen_bytes},
          {"kept_bytes", capture.size},
          {"lost", {{"not_read", capture.missed}, {"not_written", capture.unwritten}}},
          {"gaps", std::move(gaps)}};
}

Response answer(const Service& service, const Capture& capture, int status = 200) {
  return Response::json(status, json::serialize(view(service, capture)));
}

Result<Ask> read_ask(const Request& request) {
  http::Body body(request.body);
  Ask ask;
  ask.instance = InstanceId(body.text("instance", 1, 64));
  ask.filter = body.maybe_text("filter", 0, bpf::kLongestFilter).value_or("");
  ask.bytes = static_cast<std::uint64_t>(body.maybe_number("most_bytes", kLeastBytes, kMostBytes).value_or(0));
  ask.age = std::chrono::seconds{body.maybe_number("most_age_s", 1, kMostSeconds).value_or(0)};
  ask.lasts = std::chrono::seconds{body.maybe_number("for_s", 1, kMostSeconds).value_or(0)};
  ask.attended = body.maybe_flag("attended").value_or(false);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  ask.cause = Cause::kStaff;
  ask.actor = identity::actor_of(request);
  return ask;
}

asio::awaitable<Result<Response>> list(Service* service, Request request) {
  auto found = co_await service->list(InstanceId(request.query_value("instance")));
  if (!found) co_return fail(std::move(found.error()));
  json::array items;
  for (const auto& one : *found) items.push_back(view(*service, one));
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Result<Response>> begin(Service* service, Request request) {
  auto ask = read_ask(request);
  if (!ask) co_return fail(std::move(ask.error()));
  auto capture = co_await service->begin(std::move(*ask));
  if (!capture) co_return fail(std::move(capture.error()));
  co_return answer(*service, *capture, 201);
}

asio::awaitable<Result<Response>> show(Service* service, Request request) {
  auto capture = co_await service->find(std::string(request.param("id")));
  if (!capture) co_return fail(std::move(capture.error()));
  co_return answer(*service, *capture);
}

asio::awaitable<Result<Response>> end(Service* service, Request request) {
  auto capture = co_await service->end(std::string(request.param("id")), "staff", identity::actor_of(request));
  if (!capture) co_return fail(std::move(capture.error()));
  co_return answer(*service, *capture);
}

asio::awaitable<Result<Response>> remove(Service* service, Request request) {
  auto removed = co_await service->remove(std::string(request.param("id")), identity::actor_of(request));
  if (!removed) co_return fail(std::move(removed.error()));
  co_return Response::empty(204);
}

/// What the client does not take is not read: it stays on disk, as long as it does.
asio::awaitable<void> copy(Service::Pieces pieces, std::shared_ptr<http::BodyWriter> to) {
  while (true) {
    auto piece = co_await pieces();
    // Cut off in the middle, so that nobody takes what came for the whole: the length is chunked.
    if (!piece) throw std::runtime_error("a capture could not be read: " + piece.error().cause);
    if (piece->empty()) co_return;
    if (auto written = co_await to->write(std::move(*piece)); !written) co_return;
  }
}

asio::awaitable<Result<Response>> file(Service* service, Request request) {
  const std::string id(request.param("id"));
  const bool live = request.query_value("follow") == "1";
  auto actor = identity::actor_of(request);
  auto pieces = live ? co_await service->watch(id, std::move(actor)) : co_await service->download(id, std::move(actor));
  if (!pieces) co_return fail(std::move(pieces.error()));
  Response response;
  // http://www.iana.org/assignments/media-types: there is none; this is what Wireshark registers on desktops.
  response.headers.set("Content-Type", "application/x-pcapng");
  response.headers.set("Content-Disposition", fmt::format("attachment; filename=\"capture-{}.pcapng\"", id));
  response.stream = [pieces = std::move(*pieces)](std::shared_ptr<http::BodyWriter> to) {
    return copy(pieces, std::move(to));
  };
  co_return response;
}

asio::awaitable<Result<Response>> mine(Service* service, Request request) {
  json::array items;
  for (const auto& one : service->of_owner(identity::principal_of(request).owner()))
    items.push_back(json::object{{"instance", one.instance.str()}, {"started_at", to_rfc3339(one.started_at)}});
  co_return http::page_answer(std::move(items));
}

}  // namespace

void add_routes(house::Routes& routes, Service& service) {
  const auto add = [&](const char* method, const char* pattern, const char* limit, auto handler) {
    routes.add(method, pattern, {Access::kOperator, Scope::kAdmin}, {limit},
               [own = &service, handler](Request request) { return handler(own, std::move(request)); });
  };
  add("GET", "/api/v1/admin/captures", "admin-read", list);
  add("POST", "/api/v1/admin/captures", "admin-change", begin);
  add("GET", "/api/v1/admin/captures/{id}", "admin-read", show);
  add("POST", "/api/v1/admin/captures/{id}/stop", "admin-change", end);
  add("DELETE", "/api/v1/admin/captures/{id}", "admin-change", remove);
  add("GET", "/api/v1/admin/captures/{id}/file", "capture-file", file);
  routes.add("GET", "/api/v1/me/captures", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"list-read"},
             [own = &service](Request request) { return mine(own, std::move(request)); });
}

}  // namespace tiltyard::captures
