#include "templates/http.h"

#include <boost/json.hpp>

#include <algorithm>

#include "bus/event_log.h"
#include "identity/identity.h"
#include "net/body.h"
#include "net/page.h"
#include "templates/events.h"

namespace tiltyard::templates {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using http::Request;
using http::Response;
using identity::principal_of;
using PartsRef = std::shared_ptr<const HttpParts>;

asio::awaitable<Result<Response>> list_templates(PartsRef parts, Request request) {
  const bool staff = principal_of(request).at_least(identity::Role::kAuthor);
  json::array items;
  for (const auto& entry : parts->shown.offers.catalogue().list()) {
    if (is_shown(parts->shown, entry, staff)) items.push_back(view(parts->shown, entry, staff));
  }
  co_return http::page_answer(std::move(items));
}

asio::awaitable<Result<Response>> show_template(PartsRef parts, Request request) {
  const bool staff = principal_of(request).at_least(identity::Role::kAuthor);
  const auto entry = parts->shown.offers.catalogue().find(TemplateId(std::string(request.param("id"))));
  // What is not released yet does not exist for players, here as in the list.
  if (!entry || !is_shown(parts->shown, *entry, staff))
    co_return fail(Code::kNotFound, "template-unknown", "There is no such template.");
  co_return Response::json(200, json::serialize(view(parts->shown, *entry, staff)));
}

std::optional<int> small(std::optional<std::int64_t> number) {
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

/// `to` becomes what is said, if something is.
template <class T>
void take(std::optional<T> said, std::optional<T>& to) {
  if (said) to = std::move(said);
}

/// Up to what the configuration lets any template have: the host is its operator's to give away.
void read_limits(http::Body body, const engine::Resources& most, Override& change) {
  take(body.maybe_real("cpus", 0.001, most.cpus), change.cpus);
  take(body.maybe_number("memory_bytes", 4 << 20, most.memory), change.memory);
  take(body.maybe_number("pids", 1, most.pids), change.pids);
}

void read_lease(http::Body body, Override& change) {
  constexpr std::int64_t kYear = 366 * 86'400;
  if (const auto timeout = body.maybe_number("timeout_s", 0, kYear))
    change.timeout = std::chrono::seconds{std::max<std::int64_t>(1, *timeout)};
  if (const auto extend = body.maybe_number("extend_s", 0, kYear)) change.extend_by = std::chrono::seconds{*extend};
}

void read_pool(http::Body body, Override& change) {
  take(small(body.maybe_number("min", 0, 10'000)), change.pool_min);
  take(small(body.maybe_number("max", 0, 10'000)), change.pool_max);
  if (change.pool_min && change.pool_max && *change.pool_min > *change.pool_max)
    body.refuse("'pool.min' must not be more than 'pool.max'.");
}

/// Adds what the body says to what was changed before.
Result<Override> read_change(const std::string& bytes, const engine::Resources& most, Override change) {
  http::Body body(bytes);
  take(body.maybe_flag("active"), change.active);
  take(small(body.maybe_number("max_instances", 0, 1'000'000)), change.max_instances);
  if (auto pool = body.maybe_inside("pool")) read_pool(std::move(*pool), change);
  if (auto limits = body.maybe_inside("limits")) read_limits(std::move(*limits), most, change);
  if (auto lease = body.maybe_inside("lease")) read_lease(std::move(*lease), change);
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return change;
}

asio::awaitable<Result<Response>> change_template(PartsRef parts, Request request) {
  const TemplateId id(std::string(request.param("id")));
  const auto entry = parts->shown.offers.catalogue().find(id);
  if (!entry) co_return fail(Code::kNotFound, "template-unknown", "There is no such template.");
  const auto* before = parts->shown.offers.override_of(id);
  auto change = read_change(request.body, parts->shown.offers.catalogue().ceiling(), before ? *before : Override{});
  if (!change) co_return fail(std::move(change.error()));
  auto saved = co_await parts->shown.offers.change(id, *change, identity::actor_of(request));
  if (!saved) co_return fail(std::move(saved.error()));
  co_return Response::json(200, json::serialize(view(parts->shown, *entry, true)));
}

asio::awaitable<Result<Response>> rebuild(PartsRef parts, Request request) {
  const TemplateId id(std::string(request.param("id")));
  auto begun = parts->shown.offers.catalogue().rebuild(id);
  if (!begun) co_return fail(std::move(begun.error()));
  bus::Event event{events::kRebuild, id.str(), "", identity::actor_of(request), parts->clock.now(), "{}"};
  auto noted = co_await bus::record(parts->store, std::move(event));
  if (!noted) co_return fail(std::move(noted.error()));
  const auto entry = parts->shown.offers.catalogue().find(id);
  if (!entry) co_return fail(Code::kNotFound, "template-unknown", "There is no such template.");
  co_return Response::json(202, json::serialize(view(parts->shown, *entry, true)));
}

/// The contract is api/paths/templates.yaml.
json::array view_of(const std::vector<BuiltImage>& images) {
  constexpr std::string_view kFates[] = {"needed", "stays", "goes", "in-use", "gone"};
  json::array items;
  for (const auto& image : images) {
    items.push_back(
        json::object{{"image", image.reference},
                     {"engine", image.engine},
                     {"template", image.tmpl},
                     {"bytes", image.bytes},
                     {"created_at", to_rfc3339(image.created_at)},
                     {"fate", kFates[static_cast<std::size_t>(image.fate)]},
                     {"goes_at", image.goes_at ? json::value(to_rfc3339(*image.goes_at)) : json::value(nullptr)}});
  }
  return items;
}

asio::awaitable<Result<Response>> list_images(PartsRef parts, Request) {
  const auto images = co_await parts->built.look();
  co_return http::page_answer(view_of(images));
}

asio::awaitable<Result<Response>> collect_images(PartsRef parts, Request request) {
  http::Body body(request.body);
  const bool at_once = body.maybe_flag("at_once").value_or(false);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  const auto images = co_await parts->built.collect(at_once, identity::actor_of(request));
  co_return http::page_answer(view_of(images));
}

}  // namespace

void add_routes(house::Routes& routes, HttpParts needs) {
  const auto parts = std::make_shared<const HttpParts>(std::move(needs));
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler) {
    routes.add(std::move(method), std::move(pattern), rights, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("GET", "/api/v1/templates", {Access::kSignedIn, Scope::kRead}, {"list-read"}, list_templates);
  add("GET", "/api/v1/templates/{id}", {Access::kSignedIn, Scope::kRead}, {"item-read"}, show_template);
  add("PATCH", "/api/v1/admin/templates/{id}", {Access::kOperator, Scope::kAdmin}, {"admin-change"}, change_template);
  add("POST", "/api/v1/admin/templates/{id}/rebuild", {Access::kOperator, Scope::kAdmin},
      {"admin-change", "template-rebuild"}, rebuild);
  add("GET", "/api/v1/admin/images", {Access::kOperator, Scope::kAdmin}, {"list-read"}, list_images);
  add("POST", "/api/v1/admin/images/collect", {Access::kOperator, Scope::kAdmin}, {"admin-change"}, collect_images);
}

}  // namespace tiltyard::templates
