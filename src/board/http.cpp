// The board of jobs over HTTP (row 8.4).
#include <boost/json.hpp>

#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "board/board.h"
#include "identity/identity.h"
#include "net/page.h"

namespace tiltyard::board {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using namespace jobs;
using http::Request;
using http::Response;

constexpr std::int64_t kMostOnAPage = 500;

double millis(Duration time) { return static_cast<double>(time.count()) / 1000; }
json::value or_null(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::value or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::object kind_json(const KindView& kind) {
  return {{"name", kind.name},
          {"about", kind.about},
          {"known", kind.known},
          {"paused", kind.paused},
          {"paused_by", or_null(kind.paused_by)},
          {"waiting", kind.waiting},
          {"ready", kind.ready},
          {"running", kind.running},
          {"failed", kind.failed},
          {"rate", kind.rate},
          {"lateness",
           {{"p50_ms", millis(kind.p50)},
            {"p90_ms", millis(kind.p90)},
            {"p99_ms", millis(kind.p99)},
            {"max_ms", millis(kind.longest)},
            {"firings", kind.measured}}},
          {"tries", kind.tries},
          {"priority", kind.priority},
          {"at_once", kind.at_once},
          {"timeout_ms", kind.timeout.count()}};
}

json::object firing_json(const Record& record) {
  return {{"attempt", record.attempt},
          {"node", record.node},
          {"due_at", to_rfc3339(record.due)},
          {"started_at", to_rfc3339(record.started)},
          {"finished_at", to_rfc3339(record.finished)},
          {"lateness_ms", millis(record.started - record.due)},
          {"took_ms", millis(record.finished - record.started)},
          {"error", or_null(record.error)}};
}

json::object job_json(const JobView& job) {
  return {{"id", std::to_string(job.id)},
          {"kind", job.kind},
          {"state", to_string(job.state)},
          {"due_at", to_rfc3339(job.due)},
          {"made_at", to_rfc3339(job.made_at)},
          {"started_at", or_null(job.started)},
          {"finished_at", or_null(job.finished)},
          {"lateness_ms", job.started ? json::value(millis(*job.started - job.due)) : json::value(nullptr)},
          {"attempt", job.attempt},
          {"maybe_begun", job.maybe_begun},
          {"priority", job.priority},
          {"schedule", or_null(job.schedule)},
          {"lane", or_null(job.lane)},
          {"unique", or_null(job.unique)},
          {"bundle", or_null(job.bundle)},
          {"node", or_null(job.node)},
          {"error", or_null(job.error)}};
}

json::object detail_json(const JobView& job) {
  auto out = job_json(job);
  out["payload"] = job.payload;
  json::array firings;
  for (const auto& record : job.firings) firings.push_back(firing_json(record));
  out["firings"] = std::move(firings);
  return out;
}

std::unexpected<Error> invalid(std::string message) {
  return fail(Code::kInvalid, "invalid-query", std::move(message));
}

Result<JobId> read_id(const Request& request) {
  const auto text = request.param("id");
  JobId id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error == std::errc{} && end == text.data() + text.size() && id > 0) return id;
  return fail(Code::kNotFound, "job-unknown", "There is no such job any more.");
}

Result<JobFilter> read_filter(const Request& request) {
  JobFilter filter;
  filter.kind = request.query_value("kind");
  const auto state = request.query_value("state");
  bool known = state.empty();
  for (const auto one : {JobState::kWaiting, JobState::kRunning, JobState::kFailed, JobState::kDone}) {
    if (to_string(one) != state) continue;
    filter.state = one;
    known = true;
  }
  if (!known) return invalid("state must be waiting, running, failed or done.");
  auto cursor = http::query_number(request, "cursor", 0, 0, std::numeric_limits<std::int64_t>::max());
  if (!cursor) return fail(std::move(cursor.error()));
  auto limit = http::query_number(request, "limit", 100, 1, kMostOnAPage);
  if (!limit) return fail(std::move(limit.error()));
  filter.cursor = *cursor;
  filter.limit = static_cast<std::size_t>(*limit);
  return filter;
}

asio::awaitable<Result<Response>> kinds(Service* service, Request) {
  co_return http::page_answer(kinds_json(*service));
}

asio::awaitable<Result<Response>> minutes(Service* service, Request request) {
  const auto kind = request.query_value("kind");
  if (!kind.empty() && !service->kind(kind))
    co_return fail(Code::kNotFound, "kind-unknown", "There are no jobs of this kind.");
  json::array items;
  for (const auto& minute : service->minutes(kind)) {
    items.push_back({{"at", to_rfc3339(minute.at)},
                     {"started", minute.started},
                     {"done", minute.done},
                     {"errors", minute.errors},
                     {"p50_ms", millis(minute.p50)},
                     {"p99_ms", millis(minute.p99)},
                     {"max_ms", millis(minute.longest)}});
  }
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Result<Response>> list(Service* service, Request request) {
  auto filter = read_filter(request);
  if (!filter) co_return fail(std::move(filter.error()));
  auto page = co_await service->list(std::move(*filter));
  if (!page) co_return fail(std::move(page.error()));
  json::array items;
  for (const auto& job : page->jobs) items.push_back(job_json(job));
  co_return http::page_answer(std::move(items), page->next);
}

asio::awaitable<Result<Response>> show(Service* service, Request request) {
  const auto id = read_id(request);
  if (!id) co_return fail(id.error());
  auto job = co_await service->find(*id);
  if (!job) co_return fail(std::move(job.error()));
  co_return Response::json(200, json::serialize(detail_json(*job)));
}

using Act = asio::awaitable<Result<>> (Service::*)(JobId, bus::Actor);

asio::awaitable<Result<Response>> act(Service* service, Request request, Act act) {
  const auto id = read_id(request);
  if (!id) co_return fail(id.error());
  auto actor = identity::actor_of(request);
  auto done = co_await (service->*act)(*id, std::move(actor));
  if (!done) co_return fail(std::move(done.error()));
  co_return Response::empty(204);
}

asio::awaitable<Result<Response>> pause(Service* service, Request request, bool paused) {
  const std::string name(request.param("kind"));
  auto actor = identity::actor_of(request);
  auto done = co_await service->pause(name, paused, std::move(actor));
  if (!done) co_return fail(std::move(done.error()));
  const auto kind = service->kind(name);
  co_return Response::json(200, json::serialize(kind_json(*kind)));
}

}  // namespace

json::array kinds_json(const Service& service) {
  json::array items;
  for (const auto& kind : service.kinds()) items.push_back(kind_json(kind));
  return items;
}

void add_routes(house::Routes& routes, Service& service) {
  const auto add = [&routes, own = &service](const char* method, const char* pattern, house::Limits limits,
                                             auto handler) {
    routes.add(method, pattern, {Access::kOperator, Scope::kAdmin}, std::move(limits),
               [own, handler](Request request) { return handler(own, std::move(request)); });
  };
  const auto add_act = [&](const char* pattern, Act verb) {
    add("POST", pattern, {"admin-change"},
        [verb](Service* own, Request request) { return act(own, std::move(request), verb); });
  };
  add("GET", "/api/v1/admin/jobs", {"admin-read"}, list);
  add("GET", "/api/v1/admin/jobs/kinds", {"admin-read"}, kinds);
  add("GET", "/api/v1/admin/jobs/minutes", {"admin-read"}, minutes);
  add("GET", "/api/v1/admin/jobs/{id}", {"admin-read"}, show);
  add_act("/api/v1/admin/jobs/{id}/cancel", &Service::cancel);
  add_act("/api/v1/admin/jobs/{id}/retry", &Service::retry);
  add_act("/api/v1/admin/jobs/{id}/run-now", &Service::run_now);
  add("POST", "/api/v1/admin/jobs/kinds/{kind}/pause", {"admin-change"},
      [](Service* own, Request request) { return pause(own, std::move(request), true); });
  add("POST", "/api/v1/admin/jobs/kinds/{kind}/resume", {"admin-change"},
      [](Service* own, Request request) { return pause(own, std::move(request), false); });
}

}  // namespace tiltyard::board
