// Who came to which endpoint, the first one first.
#include "access/http.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <charconv>
#include <set>

#include "net/page.h"

namespace tiltyard::access {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;

constexpr int kMostOnAPage = 500;
constexpr std::size_t kLongestQuery = 200;  ///< bytes of one filter

std::unexpected<Error> invalid(std::string message) {
  return fail(Code::kInvalid, "invalid-query", std::move(message));
}

/// "MICROSECONDS-ID" of the last one of the page before.
bool read_place(std::string_view text, Query& query) {
  long long at = 0;
  const auto dash = text.find('-');
  if (dash == text.npos) return false;
  const auto first = text.substr(0, dash), second = text.substr(dash + 1);
  const auto time = std::from_chars(first.data(), first.data() + first.size(), at);
  const auto id = std::from_chars(second.data(), second.data() + second.size(), query.after);
  query.after_time = from_micros(at);
  return time.ec == std::errc{} && time.ptr == first.end() && id.ec == std::errc{} && id.ptr == second.end() &&
         query.after > 0;
}

Result<Query> read_query(const http::Request& request) {
  Query query;
  for (const auto& [name, target] :
       {std::pair("instance", &query.instance), std::pair("template", &query.tmpl), std::pair("owner", &query.owner),
        std::pair("endpoint", &query.endpoint), std::pair("user", &query.user)}) {
    *target = request.query_value(name);
    if (target->size() > kLongestQuery)
      return invalid(fmt::format("{} may have {} bytes at most.", name, kLongestQuery));
  }
  const auto limit = http::query_number(request, "limit", 100, 1, kMostOnAPage);
  if (!limit) return fail(Error(limit.error()));
  query.limit = static_cast<int>(*limit);
  if (const auto after = request.query_value("cursor"); !after.empty() && !read_place(after, query))
    return invalid("cursor is no place of this list; give back what next was.");
  return query;
}

json::value person(const std::string& id, const std::map<std::string, identity::OwnerName>& names) {
  if (id.empty()) return nullptr;
  const auto found = names.find(id);
  return {{"id", id}, {"name", found == names.end() ? id : found->second.name}};
}

asio::awaitable<Result<http::Response>> list(Contacts* contacts, identity::Service* identity, http::Request request) {
  auto query = read_query(request);
  if (!query) co_return fail(std::move(query.error()));
  const auto limit = static_cast<std::size_t>(query->limit);
  auto found = co_await contacts->read(std::move(*query));
  if (!found) co_return fail(std::move(found.error()));
  std::set<std::string> ids;
  for (const auto& one : *found) {
    for (const auto* id : {&one.owner, &one.user}) {
      if (!id->empty()) ids.insert(*id);
    }
  }
  auto names = co_await identity->owner_names({ids.begin(), ids.end()});
  if (!names) co_return fail(std::move(names.error()));
  json::array items;
  for (const auto& one : *found) {
    items.push_back({{"instance", one.instance},
                     {"template", one.tmpl},
                     {"owner", person(one.owner, *names)},
                     {"endpoint", one.endpoint},
                     {"address", one.address},
                     {"user", person(one.user, *names)},
                     {"first_at", to_rfc3339(one.first)},
                     {"last_at", to_rfc3339(one.last)},
                     {"noted", one.noted}});
  }
  http::Cursor next;
  if (found->size() == limit)
    next = http::Cursor(fmt::format("{}-{}", to_micros(found->back().first), found->back().id));
  co_return http::page_answer(std::move(items), std::move(next));
}

}  // namespace

void add_routes(house::Routes& routes, Contacts& contacts, identity::Service& identity) {
  routes.add("GET", "/api/v1/admin/access", {Access::kOperator, Scope::kAdmin}, {"admin-read"},
             [&contacts, &identity](http::Request request) { return list(&contacts, &identity, std::move(request)); });
}

}  // namespace tiltyard::access
