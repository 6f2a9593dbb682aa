#include "labs/http.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "labs/reasons.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using identity::principal_of;
using PartsRef = std::shared_ptr<const HttpParts>;

/// "Prefer: wait=30" (RFC 7240), at most a minute; 0 without it.
std::chrono::milliseconds wait_of(const Request& request) {
  const std::string_view prefer = request.headers.get("Prefer");
  const auto at = prefer.find("wait=");
  int seconds = 0;
  if (at != std::string_view::npos) std::from_chars(prefer.data() + at + 5, prefer.data() + prefer.size(), seconds);
  return std::chrono::seconds{std::clamp(seconds, 0, 60)};
}

Response instance_answer(const HttpParts& parts, int status, const Instance& instance) {
  auto response = Response::json(status, json::serialize(instance_view(parts.service, instance, parts.address)));
  if (status == 201 || status == 202) response.headers.set("Location", "/api/v1/instances/" + instance.id.str());
  return response;
}

struct NewInstance {
  TemplateId tmpl;
  std::string context;
};

Result<NewInstance> parse_new_instance(const std::string& bytes) {
  http::Body body(bytes);
  NewInstance wanted;
  wanted.tmpl = TemplateId(body.text("template", 1, 100));
  wanted.context = body.maybe_text("context", 0, 100).value_or("");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return wanted;
}

asio::awaitable<Result<Response>> create(PartsRef parts, Request request) {
  auto wanted = parse_new_instance(request.body);
  if (!wanted) co_return fail(std::move(wanted.error()));
  auto made =
      co_await parts->service.request(principal_of(request), wanted->tmpl, wanted->context, request.client_address);
  if (!made) co_return fail(std::move(made.error()));
  const auto limit = wait_of(request);
  if (limit > std::chrono::milliseconds{0}) {
    auto waited = co_await parts->service.wait(made->id, limit, false);
    if (waited && *waited) *made = std::move(**waited);
  }
  const bool there = made->state == InstanceState::kRunning || is_final(made->state);
  co_return instance_answer(*parts, there ? 201 : 202, *made);
}

/// "running" or several, "queued,starting,running".
Result<std::vector<std::string>> parse_states(std::string text) {
  std::vector<std::string> states;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto word = text.substr(0, comma);
    if (!parse_state(word)) {
      return fail(Code::kInvalid, "invalid-query",
                  "state must be one or more of queued, preparing, starting, running, paused, stopping, stopped, "
                  "failed, with commas between.");
    }
    states.push_back(std::move(word));
    text.erase(0, comma == std::string::npos ? comma : comma + 1);
  }
  return states;
}

Result<InstanceFilter> parse_filter(const Request& request) {
  const auto& who = principal_of(request);
  InstanceFilter filter;
  const auto owner = request.query_value("owner");
  if (owner == "all") {
    if (!who.staff()) return fail(Code::kForbidden, "forbidden", "Only staff see everybody's instances.");
  } else if (owner.empty() || owner == "me") {
    filter.owner = who.owner();
  } else {
    return fail(Code::kInvalid, "invalid-query", "owner must be 'me' or 'all'.");
  }
  auto states = parse_states(request.query_value("state"));
  if (!states) return fail(std::move(states.error()));
  filter.states = std::move(*states);
  filter.after = request.query_value("cursor");
  const auto limit = http::query_number(request, "limit", filter.limit, 1, 500);
  if (!limit) return fail(limit.error());
  filter.limit = static_cast<int>(*limit);
  return filter;
}

std::optional<std::string> next_cursor(const std::vector<Instance>& rows, int limit) {
  if (rows.size() < static_cast<std::size_t>(limit)) return std::nullopt;
  return fmt::format("{}/{}", to_micros(rows.back().created_at), rows.back().id.str());
}

/// Whether what is on disk says all there is to say: nothing is under way, and memory is not ahead.
bool settled(const Service& service, const Instance& row) {
  const bool at_rest = is_up(row.state) || is_final(row.state);
  const auto live = service.live(row.id);
  return at_rest && !service.unreachable(row) &&
         (!live || (live->instance.state == row.state && live->instance.expires_at == row.expires_at));
}

/// Pages ask for their own list again and again: a list at rest is the text that was sent before, for as long as the
/// store gives the same rows.
class SentLists {
 public:
  const std::string* find(const std::string& owner, const OwnList& rows) const {
    const auto found = sent_.find(owner);
    return found != sent_.end() && found->second.rows.lock() == rows ? &found->second.text : nullptr;
  }
  void keep(const std::string& owner, const OwnList& rows, std::string text) {
    constexpr std::size_t kMost = 2000;  // enough for a busy hall
    if (sent_.size() >= kMost) sent_.clear();
    sent_.insert_or_assign(owner, Sent{rows, std::move(text)});
  }

 private:
  struct Sent {
    std::weak_ptr<const std::vector<Instance>> rows;
    std::string text;
  };
  std::unordered_map<std::string, Sent> sent_;
};
using SentRef = std::shared_ptr<SentLists>;

asio::awaitable<Result<Response>> list_own(PartsRef parts, SentRef sent, std::string owner) {
  auto own = co_await parts->service.store().own(owner);
  if (!own) co_return fail(std::move(own.error()));
  const auto& rows = **own;
  const bool rest = std::ranges::all_of(rows, [&](const Instance& row) { return settled(parts->service, row); });
  if (rest) {
    if (const auto* text = sent->find(owner, *own)) co_return Response::json(200, *text);
  }
  json::array items;
  for (const auto& row : rows) {
    const auto live = parts->service.live(row.id);
    items.push_back(instance_view(parts->service, live ? live->instance : row, parts->address));
  }
  auto text = json::serialize(http::page(std::move(items), next_cursor(rows, InstanceFilter{}.limit)));
  if (rest) sent->keep(owner, *own, text);
  co_return Response::json(200, std::move(text));
}

asio::awaitable<Result<Response>> list(PartsRef parts, SentRef sent, Request request) {
  auto filter = parse_filter(request);
  if (!filter) co_return fail(std::move(filter.error()));
  if (request.query.empty() || request.query == "owner=me")
    co_return co_await list_own(parts, sent, std::move(filter->owner));
  auto rows = co_await parts->service.store().list(*filter);
  if (!rows) co_return fail(std::move(rows.error()));
  json::array items;
  for (const auto& row : *rows) {
    // Memory is ahead of the disk in what needs no commit: progress and the step it is at.
    const auto live = parts->service.live(row.id);
    items.push_back(instance_view(parts->service, live ? live->instance : row, parts->address));
  }
  co_return http::page_answer(std::move(items), next_cursor(*rows, filter->limit));
}

asio::awaitable<Result<Response>> show(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  co_return instance_answer(*parts, 200, *instance);
}

asio::awaitable<Result<Response>> extend_lease(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  if (is_final(instance->state))
    co_return fail(Code::kConflict, "lease-ended", "The lease has already ended; start a new instance.");
  auto longer = co_await parts->service.extend(instance->id, identity::actor_of(request));
  if (!longer) co_return fail(std::move(longer.error()));
  co_return instance_answer(*parts, 200, *longer);
}

asio::awaitable<Result<Response>> remove(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  const auto& who = principal_of(request);
  const std::string cause = who.owner() == instance->owner ? "user" : "admin";
  auto stopping = co_await parts->service.stop(instance->id, cause, identity::actor_of(request));
  if (!stopping) co_return fail(std::move(stopping.error()));
  const auto limit = wait_of(request);
  if (limit > std::chrono::milliseconds{0}) {
    auto waited = co_await parts->service.wait(instance->id, limit, true);
    if (waited && *waited) *stopping = std::move(**waited);
  }
  co_return instance_answer(*parts, is_final(stopping->state) ? 200 : 202, *stopping);
}

}  // namespace

bool owns(const identity::Principal& who, const Instance& instance) {
  return who.staff() || who.owner() == instance.owner;
}

asio::awaitable<Result<Instance>> visible_instance(Service* service, http::Request request) {
  auto found = co_await service->find(InstanceId(std::string(request.param("id"))));
  if (!found) co_return fail(std::move(found.error()));
  // Somebody else's answers as one that does not exist: ids tell nothing.
  if (!*found || !owns(principal_of(request), **found)) {
    co_return fail(Code::kNotFound, reason::kInstanceUnknown, "There is no such instance.");
  }
  co_return std::move(**found);
}

void add_instance_routes(house::Routes& routes, PartsRef parts) {
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler) {
    routes.add(std::move(method), std::move(pattern), rights, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("POST", "/api/v1/instances", {Access::kSignedIn, Scope::kInstances, Whose::kOwner},
      {"instance-start", "instance-start-hourly"}, create);
  add("GET", "/api/v1/instances", {Access::kSignedIn, Scope::kRead, Whose::kOwner}, {"list-read"},
      [sent = std::make_shared<SentLists>()](PartsRef all, Request request) {
        return list(std::move(all), sent, std::move(request));
      });
  add("GET", "/api/v1/instances/{id}", {Access::kSignedIn, Scope::kRead, Whose::kOwner}, {"item-read"}, show);
  add("POST", "/api/v1/instances/{id}/extend", {Access::kSignedIn, Scope::kInstances, Whose::kOwner},
      {"instance-extend"}, extend_lease);
  add("DELETE", "/api/v1/instances/{id}", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"instance-stop"},
      remove);
}

void add_routes(house::Routes& routes, PartsRef parts, std::shared_ptr<Open> open) {
  add_instance_routes(routes, parts);
  add_machine_routes(routes, parts, std::move(open));
  add_event_routes(routes, parts);
  add_staff_routes(routes, parts);
}

}  // namespace tiltyard::labs
