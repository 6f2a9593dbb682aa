// The routes that show the books.
#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

#include "farm/attempts.h"
#include "farm/routes.h"
#include "farm/search.h"
#include "farm/store.h"
#include "net/page.h"

namespace tiltyard::farm {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostNamed = 500;      ///< sploits, teams or services that statistics list
constexpr std::size_t kMostAttempts = 1000;  ///< rows that are read for one flag
constexpr Duration kSendersFor = std::chrono::minutes{5};

std::unexpected<Error> invalid_query(std::string message) {
  return fail(Code::kInvalid, "invalid-query", std::move(message));
}

json::value time_after(std::int64_t received_at, std::uint32_t ms) {
  if (ms == 0) return nullptr;
  return json::string(to_rfc3339(from_micros(received_at + std::int64_t{ms - 1} * 1000)));
}

json::object flag_json(const Books& books, std::uint32_t flag) {
  const Entry& entry = books.flags()[flag];
  json::object out{{"id", flag},
                   {"flag", books.flags().text(flag)},
                   {"sploit", books.sploits().text(entry.sploit)},
                   {"team", books.teams().text(entry.team)},
                   {"service", books.services().text(entry.service)},
                   {"status", to_string(entry.status)},
                   {"received_at", to_rfc3339(from_micros(entry.received_at))},
                   {"submitted_at", time_after(entry.received_at, entry.submitted_ms)},
                   {"decided_at", time_after(entry.received_at, entry.decided_ms)},
                   {"expires_at", to_rfc3339(books.expires_at(entry))},
                   {"attempts", entry.attempts},
                   {"probable", entry.probable}};
  out["response"] =
      entry.verdict_row == 0 ? json::value(nullptr) : json::value(json::string(books.responses().text(entry.response)));
  return out;
}

Result<unsigned> read_statuses(std::string_view text) {
  unsigned out = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    const auto status = parse_status(text.substr(0, end));
    if (!status)
      return invalid_query(
          "'status' must be queued, leased, accepted, rejected or skipped, or several with commas between.");
    out |= 1u << static_cast<unsigned>(*status);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Result<> read_time(const Request& request, std::string_view name, std::optional<TimePoint>& into) {
  const auto text = request.query_value(name);
  if (text.empty()) return {};
  auto time = parse_rfc3339(text);
  if (!time) return invalid_query("'" + std::string(name) + "' must be a time like 2026-03-01T12:00:00Z.");
  into = *time;
  return {};
}

/// A filter that is there but empty asks for those without a name.
std::optional<std::string> named(const Request& request, std::string_view name) {
  auto value = request.query_value(name);
  if (!value.empty()) return value;
  const std::string given = std::string(name) + "=";
  const bool there = request.query.starts_with(given) || request.query.find("&" + given) != std::string::npos;
  return there ? std::optional<std::string>("") : std::nullopt;
}

Result<Filter> read_filter(const Request& request) {
  Filter filter;
  filter.sploit = named(request, "sploit");
  filter.team = named(request, "team");
  filter.service = named(request, "service");
  auto statuses = read_statuses(request.query_value("status"));
  if (!statuses) return fail(std::move(statuses.error()));
  filter.statuses = *statuses;
  filter.flag = request.query_value("flag");
  filter.response = request.query_value("response");
  if (filter.flag.size() > 256 || filter.response.size() > 256)
    return invalid_query("'flag' and 'response' are at most 256 bytes long.");
  if (auto since = read_time(request, "since", filter.since); !since) return fail(std::move(since.error()));
  if (auto until = read_time(request, "until", filter.until); !until) return fail(std::move(until.error()));
  return filter;
}

asio::awaitable<Result<Response>> list(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  auto filter = read_filter(request);
  if (!filter) co_return fail(std::move(filter.error()));
  const auto limit = http::query_number(request, "limit", 100, 1, 1000);
  if (!limit) co_return fail(limit.error());
  const auto before = http::query_number(request, "cursor", UINT32_MAX, 0, UINT32_MAX);
  if (!before) co_return fail(before.error());
  const auto& books = farm.state->books;
  // One more than asked for tells whether there is another page.
  auto found = co_await search(&books, std::move(*filter), static_cast<std::uint32_t>(*before),
                               static_cast<std::size_t>(*limit) + 1);
  const bool more = found.size() > static_cast<std::size_t>(*limit);
  if (more) found.pop_back();
  json::array items;
  items.reserve(found.size());
  for (const auto flag : found) items.push_back(flag_json(books, flag));
  co_return http::page_answer(std::move(items), more ? std::optional(std::to_string(found.back())) : std::nullopt);
}

json::array attempts_json(const Attempts& attempts) {
  json::array out;
  for (const auto& [number, attempt] : attempts.by_lease) {
    json::object item{{"lease", attempt.lease},
                      {"number", out.size() + 1},
                      {"sender", attempt.sender},
                      {"sent_at", to_rfc3339(attempt.sent_at)},
                      {"late", attempt.late}};
    item["answered_at"] =
        attempt.answered_at ? json::value(json::string(to_rfc3339(*attempt.answered_at))) : json::value(nullptr);
    item["verdict"] = attempt.verdict ? json::value(json::string(to_string(*attempt.verdict))) : json::value(nullptr);
    item["message"] = attempt.verdict ? json::value(json::string(attempt.message)) : json::value(nullptr);
    out.push_back(std::move(item));
  }
  return out;
}

/// Follows a flag back through the log: each attempt and each verdict names the row of the one before.
asio::awaitable<Result<Attempts>> read_log(StatePtr state, std::uint32_t flag) {
  auto settled = co_await state->journal.settled();
  if (!settled) co_return fail(std::move(settled.error()));
  const Entry entry = state->books.flags()[flag];
  Attempts attempts;
  std::uint32_t lease_row = entry.lease_row, verdict_row = entry.verdict_row;
  for (std::size_t i = 0; i < kMostAttempts && (lease_row != 0 || verdict_row != 0); ++i) {
    const auto number = std::max(lease_row, verdict_row);
    auto read = [number](soci::session& session) { return sql::read_row(session, number); };
    auto row = co_await state->parts.store.read(std::move(read));
    if (!row) co_return fail(std::move(row.error()));
    read_attempts(row->body, number, flag, attempts);
    if (lease_row == number) lease_row = attempts.earlier_lease_row;
    if (verdict_row == number) verdict_row = attempts.earlier_verdict_row;
  }
  co_return attempts;
}

asio::awaitable<Result<Response>> show(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  const auto text = request.param("id");
  std::uint32_t flag = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), flag);
  const auto& flags = farm.state->books.flags();
  const bool number = error == std::errc{} && end == text.data() + text.size();
  if (!number || flag < flags.first() || flag >= flags.end())
    co_return fail(Code::kNotFound, "flag-unknown", "There is no flag of this number.");
  auto out = flag_json(farm.state->books, flag);
  auto attempts = co_await read_log(farm.state, flag);
  if (!attempts) co_return fail(std::move(attempts.error()));
  out["log"] = attempts_json(*attempts);
  co_return Response::json(200, json::serialize(out));
}

json::object tally_json(const Tally& tally) {
  json::object out;
  for (std::size_t i = 0; i < kStatuses; ++i) out[to_string(static_cast<Status>(i))] = tally.by_status[i];
  out["total"] = tally.total();
  return out;
}

json::array named_json(std::vector<NamedTally> tallies) {
  std::ranges::sort(tallies, std::ranges::greater{}, [](const NamedTally& one) { return one.tally.total(); });
  json::array out;
  for (const auto& [name, tally] : tallies) {
    if (out.size() == kMostNamed) break;
    auto item = tally_json(tally);
    item["name"] = name;
    out.push_back(std::move(item));
  }
  return out;
}

json::value rate_or_null(double rate) { return rate > 0 ? json::value(rate) : json::value(nullptr); }

json::object rate_json(const Rate& rate, TimePoint now) {
  return {{"calls_per_s", rate_or_null(rate.calls_per_second())},
          {"configured_calls_per_s", rate_or_null(rate.configured_calls())},
          {"flags_per_s", rate_or_null(rate.flags_per_second())},
          {"limited", rate.limited_count()},
          {"paused_ms", static_cast<double>(rate.paused(now).count()) / 1000}};
}

json::array senders_json(const Service::State& state, TimePoint now) {
  json::array out;
  for (const auto& [name, sender] : state.senders) {
    if (name.empty() || sender.seen_at + kSendersFor < now) continue;
    out.push_back(json::object{{"name", name},
                               {"seen_at", to_rfc3339(sender.seen_at)},
                               {"leased", sender.leased},
                               {"answered", sender.answered}});
  }
  return out;
}

asio::awaitable<Result<Response>> stats(FarmRef farm, Request) {
  auto& state = *farm.state;
  if (auto on = check_on(state); !on) co_return fail(std::move(on.error()));
  auto& books = state.books;
  const auto now = state.time.now();
  auto out = tally_json(books.totals());
  out["duplicates"] = books.since().duplicates;
  out["invalid"] = state.invalid;
  out["probable"] = books.probable();
  out["late"] = books.since().late;
  out["attempts"] = books.since().attempts;
  out["points"] = books.since().points;
  out["by_sploit"] = named_json(books.by_sploit());
  out["by_team"] = named_json(books.by_team());
  out["by_service"] = named_json(books.by_service());
  const auto oldest = books.oldest_waiting();
  out["oldest_queued_ms"] =
      oldest ? json::value(static_cast<double>(to_micros(now) - books.flags()[*oldest].received_at) / 1000)
             : json::value(nullptr);
  out["leases"] = books.open_leases();
  out["senders"] = senders_json(state, now);
  out["rate"] = rate_json(state.rate, now);
  out["received_per_s"] = books.series().per_second(&Counts::received, now);
  out["accepted_per_s"] = books.series().per_second(&Counts::accepted, now);
  out["version"] = state.config->version;
  co_return Response::json(200, json::serialize(out));
}

asio::awaitable<Result<Response>> series(FarmRef farm, Request request) {
  auto& state = *farm.state;
  if (auto on = check_on(state); !on) co_return fail(std::move(on.error()));
  const auto step = request.query_value("step");
  if (!step.empty() && step != "10" && step != "60") co_return invalid_query("'step' must be 10 or 60.");
  const auto now = state.time.now();
  json::array items;
  for (const auto& [at, counts] : step == "10" ? state.books.series().fine(now) : state.books.series().coarse(now)) {
    items.push_back(json::object{{"at", to_rfc3339(at)},
                                 {"received", counts.received},
                                 {"duplicate", counts.duplicate},
                                 {"sent", counts.sent},
                                 {"accepted", counts.accepted},
                                 {"rejected", counts.rejected},
                                 {"skipped", counts.skipped},
                                 {"queued", counts.queued}});
  }
  auto out = http::page(std::move(items));
  out["step_s"] = step == "10" ? 10 : 60;
  co_return Response::json(200, json::serialize(out));
}

}  // namespace

void add_view_routes(house::Routes& routes, FarmRef farm) {
  const auto add = [&](std::string pattern, house::Rights rights, house::Limits limits, auto handler) {
    routes.add("GET", std::move(pattern), rights, std::move(limits),
               [farm, handler](Request request) { return handler(farm, std::move(request)); });
  };
  add("/api/v1/farm/flags", {Access::kAuthor, Scope::kFlags}, {"admin-read"}, list);
  add("/api/v1/farm/flags/{id}", {Access::kAuthor, Scope::kFlags}, {"admin-read"}, show);
  add("/api/v1/farm/stats", {Access::kAuthor, Scope::kFlags}, {"admin-read"}, stats);
  add("/api/v1/farm/series", {Access::kAuthor, Scope::kFlags}, {"admin-read"}, series);
}

}  // namespace tiltyard::farm
