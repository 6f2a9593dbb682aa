// The event log over HTTP: pages for the staff's page, kinds for its filters, JSON lines for other programs.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

#include "audit/events.h"
#include "audit/query.h"
#include "audit/state.h"
#include "bus/event_log.h"
#include "identity/identity.h"
#include "net/page.h"
#include "observe/log.h"
#include "observe/redact.h"

namespace tiltyard::audit {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;

constexpr int kMostOnAPage = 500;
constexpr std::size_t kLongestQuery = 200;  ///< bytes of one filter
constexpr int kExportRows = 500;            ///< in memory at a time
constexpr int kExportLook = 5'000;

std::unexpected<Error> invalid(std::string message) {
  return fail(Code::kInvalid, "invalid-query", std::move(message));
}

bool may_read(const identity::Principal& who, const bus::EventKind& kind) {
  return kind.readers == bus::Readers::kOperators || who.at_least(identity::Role::kAdmin);
}

/// "login,instance.*": declared kinds, or all whose names begin so.
Result<> read_kinds(const bus::Kinds& declared, std::string text, std::vector<std::string_view>& kinds) {
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto word = text.substr(0, comma);
    text.erase(0, comma == std::string::npos ? comma : comma + 1);
    const bool group = word.ends_with(".*");
    const auto prefix = group ? word.substr(0, word.size() - 1) : word;
    bool found = false;
    for (const auto* kind : declared.kept()) {
      const bool fits =
          group ? kind->name.starts_with(prefix) || kind->name == word.substr(0, word.size() - 2) : kind->name == word;
      if (!fits) continue;
      found = true;
      if (std::ranges::find(kinds, kind->name) == kinds.end()) kinds.push_back(kind->name);
    }
    if (!found)
      return invalid("kind names a kind of event that there is not; GET /api/v1/admin/events/kinds lists them.");
  }
  return {};
}

Result<std::optional<TimePoint>> read_time(const Request& request, std::string_view name) {
  const auto text = request.query_value(name);
  if (text.empty()) return std::nullopt;
  auto time = parse_rfc3339(text);
  if (!time) return invalid(fmt::format("{}: {}", name, time.error().message));
  return *time;
}

Result<> read_severity(const bus::Kinds& declared, const Request& request, std::vector<std::string_view>& kinds) {
  const auto text = request.query_value("severity");
  if (text.empty()) return {};
  const bool any = kinds.empty();
  std::vector<std::string_view> kept;
  for (const auto* kind : declared.kept()) {
    if (bus::to_string(kind->severity) != text) continue;
    if (any || std::ranges::find(kinds, kind->name) != kinds.end()) kept.push_back(kind->name);
  }
  if (text != "info" && text != "good" && text != "warning" && text != "error")
    return invalid("severity must be info, good, warning or error.");
  // Nothing can be both: a kind that does not exist finds nothing.
  if (kept.empty()) kept.emplace_back("none");
  kinds = std::move(kept);
  return {};
}

Result<Filter> read_filter(const bus::Kinds& kinds, const Request& request) {
  const auto& who = identity::principal_of(request);
  Filter filter;
  if (auto read = read_kinds(kinds, request.query_value("kind"), filter.kinds); !read)
    return fail(std::move(read.error()));
  if (auto read = read_severity(kinds, request, filter.kinds); !read) return fail(std::move(read.error()));
  for (const auto* kind : kinds.kept()) {
    if (!may_read(who, *kind)) filter.hidden.push_back(kind->name);
  }
  const bool asked = !filter.kinds.empty();
  std::erase_if(filter.kinds,
                [&](std::string_view kind) { return std::ranges::find(filter.hidden, kind) != filter.hidden.end(); });
  if (asked && filter.kinds.empty()) return fail(Code::kForbidden, "forbidden", "Events of this kind are for admins.");
  for (auto [name, target] : {std::pair("user", &filter.user), std::pair("owner", &filter.owner),
                              std::pair("instance", &filter.subject), std::pair("text", &filter.text)}) {
    *target = request.query_value(name);
    if (target->size() > kLongestQuery)
      return invalid(fmt::format("{} may have {} bytes at most.", name, kLongestQuery));
  }
  for (auto [name, target] : {std::pair("from", &filter.from), std::pair("to", &filter.to)}) {
    auto time = read_time(request, name);
    if (!time) return fail(std::move(time.error()));
    *target = *time;
  }
  return filter;
}

json::object shown(const Row& row, const bus::EventKind& kind) {
  boost::system::error_code error;
  auto detail = json::parse(row.detail.empty() ? "{}" : row.detail, error);
  if (error) detail = json::object{};
  return {{"id", std::to_string(row.seq)},
          {"at", to_rfc3339(row.at)},
          {"kind", row.kind},
          {"severity", bus::to_string(kind.severity)},
          {"subject", row.subject},
          {"owner", row.owner},
          {"actor", row.actor},
          {"actor_id", row.actor_id},
          {"address", row.address},
          {"detail", std::move(detail)}};
}

}  // namespace

json::object event_view(long long seq, const bus::Event& event) {
  const auto& actor = event.actor;
  const Row row{seq,           std::string(event.kind->name),
                event.subject, event.owner,
                actor.name,    actor.id,
                actor.address, event.at,
                event.detail};
  return shown(row, *event.kind);
}

namespace {

asio::awaitable<Result<Response>> list(StatePtr state, Request request) {
  auto filter = read_filter(state->parts.kinds, request);
  if (!filter) co_return fail(std::move(filter.error()));
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max() - 1;
  auto limit = http::query_number(request, "limit", 100, 1, kMostOnAPage);
  if (!limit) co_return fail(std::move(limit.error()));
  auto cursor = http::query_number(request, "cursor", 0, 0, kMost);
  if (!cursor) co_return fail(std::move(cursor.error()));
  auto after = http::query_number(request, "after", 0, 0, kMost);
  if (!after) co_return fail(std::move(after.error()));
  PageRequest wanted;
  wanted.limit = static_cast<int>(*limit);
  wanted.below = *cursor;
  wanted.above = *after;
  auto work = [filter = std::move(*filter), wanted](soci::session& sql) { return read_page(sql, filter, wanted); };
  auto page = co_await state->parts.store.read(std::move(work));
  if (!page) co_return fail(std::move(page.error()));
  json::array items;
  for (const auto& row : page->rows) items.emplace_back(shown(row, *state->parts.kinds.of(row.kind)));
  json::value until = nullptr;
  if (page->looked_until) until = to_rfc3339(*page->looked_until);
  auto answer = http::page(std::move(items), page->next);
  answer["last"] = std::to_string(page->last);
  answer["looked_until"] = std::move(until);
  co_return Response::json(200, json::serialize(answer));
}

asio::awaitable<Result<Response>> kinds(StatePtr state, Request request) {
  const auto& who = identity::principal_of(request);
  json::array items;
  for (const auto* kind : state->parts.kinds.kept()) {
    if (!may_read(who, *kind)) continue;
    items.push_back({{"name", kind->name},
                     {"text", kind->prose},
                     {"severity", bus::to_string(kind->severity)},
                     {"counted", kind->rows == bus::Rows::kCounted}});
  }
  co_return http::page_answer(std::move(items));
}

/// One line per event. What JSON leaves alone and a terminal or a log reader would not (line separators, direction
/// marks, bytes that are no UTF-8) is escaped the JSON way.
void append_line(std::string& out, const Row& row, const bus::EventKind& kind) {
  out += log::detail::escape(json::serialize(shown(row, kind)), log::detail::Quotes::kKeep);
  out += '\n';
}

/// Writes the lines of everything in (above, below), a few hundred at a time; what the peer does not take is not read.
asio::awaitable<void> write_lines(StatePtr state, std::shared_ptr<http::BodyWriter> writer, Filter filter,
                                  PageRequest wanted) {
  while (true) {
    auto work = [filter, wanted](soci::session& sql) { return read_page(sql, filter, wanted); };
    auto page = co_await state->parts.store.read(std::move(work));
    // Cut off in the middle, so that nobody takes what came for the whole: the length is chunked.
    if (!page) throw std::runtime_error("the event log could not be read: " + page.error().cause);
    std::string lines;
    for (const auto& row : page->rows) append_line(lines, row, *state->parts.kinds.of(row.kind));
    if (!lines.empty()) {
      auto written = co_await writer->write(std::move(lines));
      if (!written) co_return;
    }
    if (!page->next) co_return;
    wanted.above = *page->next;
  }
}

asio::awaitable<Result<Response>> export_lines(StatePtr state, Request request) {
  auto filter = read_filter(state->parts.kinds, request);
  if (!filter) co_return fail(std::move(filter.error()));
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max() - 1;
  auto cursor = http::query_number(request, "cursor", 0, 0, kMost);
  if (!cursor) co_return fail(std::move(cursor.error()));
  auto until = http::query_number(request, "until", 0, 0, kMost);
  if (!until) co_return fail(std::move(until.error()));
  bus::Event event{events::kExported, "", "", identity::actor_of(request), state->parts.clock.now(), {}};
  event.detail = json::serialize(json::object{{"query", request.query}});
  auto noted = co_await bus::record(state->parts.store, std::move(event));
  if (!noted) co_return fail(std::move(noted.error()));
  PageRequest first;
  first.limit = 1;
  auto look = [first](soci::session& sql) { return read_page(sql, Filter{}, first); };
  auto newest = co_await state->parts.store.read(std::move(look));
  if (!newest) co_return fail(std::move(newest.error()));
  PageRequest wanted;
  wanted.order = Order::kOldestFirst;
  wanted.above = *cursor;
  wanted.below = (*until == 0 ? newest->last : std::min<std::int64_t>(*until, newest->last)) + 1;
  wanted.limit = kExportRows;
  wanted.look_at_most = kExportLook;
  Response response;
  response.headers.set("Content-Type", "application/x-ndjson");
  response.headers.set("Content-Disposition", "attachment; filename=\"events.jsonl\"");
  response.headers.set("X-Tiltyard-Until", std::to_string(wanted.below - 1));
  response.stream = [state, filter = std::move(*filter), wanted](std::shared_ptr<http::BodyWriter> writer) {
    return write_lines(state, std::move(writer), filter, wanted);
  };
  co_return response;
}

}  // namespace

void add_event_routes(StatePtr state, house::Routes& routes) {
  const auto add = [&](std::string pattern, house::Rights rights, house::Limits limits, auto handler) {
    routes.add("GET", std::move(pattern), rights, std::move(limits),
               [state, handler](Request request) { return handler(state, std::move(request)); });
  };
  add("/api/v1/admin/events", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, list);
  add("/api/v1/admin/events/kinds", {Access::kOperator, Scope::kAdmin}, {"admin-read"}, kinds);
  add("/api/v1/admin/events/export", {Access::kOperator, Scope::kAdmin}, {"export"}, export_lines);
}

}  // namespace tiltyard::audit
