// The routes of clients and senders: parse, call, answer.
#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "farm/format.h"
#include "farm/post_reader.h"
#include "farm/routes.h"
#include "net/body.h"
#include "net/page.h"

namespace tiltyard::farm {
namespace {

namespace json = boost::json;

/// A body over this is parsed on a worker, so that the home loop goes on.
constexpr std::size_t kParseHere = 128 * 1024;
constexpr std::size_t kLegacyMost = 2'000'000;
constexpr std::chrono::seconds kLongestWait{60};
constexpr std::size_t kMostVerdicts = 10'000;
constexpr std::size_t kLongestWord = 1'000;  ///< bytes of a sender's, sploit's, team's or service's name

std::unexpected<Error> invalid_body(std::string message) {
  return fail(Code::kInvalid, "invalid-body", std::move(message));
}

/// A member that is a text; empty when it is missing or null. False: it is something else.
bool text_member(const json::object& object, std::string_view name, std::string_view& into) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return true;
  if (!value->is_string()) return false;
  into = value->get_string();
  return true;
}

Response receipt_answer(const PostReceipt& receipt) {
  json::array invalid;
  for (const auto& flag : receipt.invalid)
    invalid.push_back(json::object{{"index", flag.index}, {"flag", flag.flag}, {"reason", flag.reason}});
  return Response::json(
      200, fmt::format(R"({{"received":{},"new":{},"duplicate":{},"invalid_count":{},"invalid":{}}})", receipt.received,
                       receipt.fresh, receipt.duplicate, receipt.invalid_count, json::serialize(invalid)));
}

asio::awaitable<Result<PostedFlags>> read(FarmRef farm, const std::string* body, std::size_t most) {
  if (body->size() <= kParseHere) co_return read_post(*body, most);
  auto work = [body, most] { return read_post(*body, most); };
  co_return co_await offload(farm.state->parts.workers, std::move(work));
}

asio::awaitable<Result<Response>> post_flags(FarmRef farm, Request request) {
  auto posted = co_await read(farm, &request.body, kMostFlagsInPost);
  if (!posted) co_return fail(std::move(posted.error()));
  auto receipt = co_await farm.service->post(std::move(posted->flags));
  if (!receipt) co_return fail(std::move(receipt.error()));
  co_return receipt_answer(*receipt);
}

asio::awaitable<Result<Response>> paste_text(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  http::Body body(request.body);
  const auto text = body.text("text", 0, request.body.size());
  const auto sploit = body.maybe_text("sploit", 0, kLongestWord).value_or("manual");
  const auto team = body.maybe_text("team", 0, kLongestWord).value_or("");
  const auto service = body.maybe_text("service", 0, kLongestWord).value_or("");
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  std::vector<NewFlag> flags;
  const auto config = farm.state->config;
  config->format->find_all(text, [&](std::string_view found) {
    if (flags.size() <= kMostFlagsInPost) flags.push_back({found, sploit, team, service});
  });
  auto receipt = co_await farm.service->post(std::move(flags));
  if (!receipt) co_return fail(std::move(receipt.error()));
  co_return receipt_answer(*receipt);
}

json::object lease_json(const Lease& lease) {
  json::array flags;
  flags.reserve(lease.flags.size());
  for (const auto& flag : lease.flags) {
    flags.push_back(json::object{{"id", flag.id},
                                 {"flag", flag.flag},
                                 {"attempt", flag.attempt},
                                 {"sploit", flag.sploit},
                                 {"team", flag.team},
                                 {"expires_at", to_rfc3339(flag.expires_at)}});
  }
  boost::system::error_code error;
  return {{"lease", lease.id},
          {"expires_at", to_rfc3339(lease.expires_at)},
          {"protocol", lease.protocol},
          {"settings", json::parse(lease.settings, error)},
          {"settings_version", lease.settings_version},
          {"send_after_ms", 0},
          {"flags", std::move(flags)}};
}

asio::awaitable<Result<Response>> take_lease(FarmRef farm, Request request) {
  if (auto on = check_on(*farm.state); !on) co_return fail(std::move(on.error()));
  auto body = http::Body::or_empty(request.body);
  auto sender = body.maybe_text("sender", 0, kLongestWord).value_or("");
  const auto most = body.maybe_number("max", 1, static_cast<std::int64_t>(kMostFlagsInPost)).value_or(0);
  if (auto read = body.done(); !read) co_return fail(std::move(read.error()));
  const auto wait = http::query_number(request, "wait", 0, 0, std::numeric_limits<std::int32_t>::max());
  if (!wait) co_return fail(wait.error());
  if (sender.empty()) sender = "sender at " + request.client_address;
  auto got = co_await farm.service->lease(std::move(sender), static_cast<std::size_t>(most),
                                          std::min(std::chrono::seconds{*wait}, kLongestWait));
  if (!got) co_return fail(std::move(got.error()));
  if (!*got) co_return Response::empty(204);
  co_return Response::json(200, json::serialize(lease_json(**got)));
}

Result<FlagVerdict> read_verdict(const json::value& value) {
  const auto wrong = [] {
    return invalid_body(
        R"(A verdict is like {"flag": "…", "verdict": "accepted", "message": "…"}; verdicts are accepted, duplicate, own, old, invalid, nop, rejected and retry.)");
  };
  if (!value.is_object()) return wrong();
  const auto& object = value.get_object();
  std::string_view flag, verdict, message;
  if (!text_member(object, "flag", flag) || !text_member(object, "verdict", verdict) ||
      !text_member(object, "message", message))
    return wrong();
  const auto known = parse_verdict(verdict);
  if (flag.empty() || !known) return wrong();
  FlagVerdict out{std::string(flag), *known, std::string(message), 0, false};
  if (const auto* points = object.if_contains("points"); points != nullptr && points->is_number())
    out.points = std::clamp(points->to_number<double>(), -1e9, 1e9);
  if (const auto* resent = object.if_contains("resent"); resent != nullptr && resent->is_bool())
    out.resent = resent->get_bool();
  return out;
}

Result<VerdictReport> read_report(const std::string& body) {
  const auto read = http::json_object(body);
  if (!read) return fail(read.error());
  const auto& object = *read;
  VerdictReport report;
  std::string_view lease;
  if (!text_member(object, "lease", lease) || lease.empty()) return invalid_body("'lease' must be the lease's id.");
  report.lease = lease;
  if (const auto* verdicts = object.if_contains("verdicts"); verdicts != nullptr && !verdicts->is_null()) {
    if (!verdicts->is_array()) return invalid_body("'verdicts' must be a list.");
    if (verdicts->get_array().size() > kMostVerdicts)
      return fail(Code::kInvalid, "too-many-flags", "At most 10,000 verdicts go into one request.");
    for (const auto& item : verdicts->get_array()) {
      auto verdict = read_verdict(item);
      if (!verdict) return fail(std::move(verdict.error()));
      report.verdicts.push_back(std::move(*verdict));
    }
  }
  if (const auto* limited = object.if_contains("limited"); limited != nullptr && limited->is_object()) {
    report.limited = true;
    const auto* after = limited->get_object().if_contains("retry_after_ms");
    if (after != nullptr && after->is_number())
      report.retry_after =
          std::chrono::milliseconds{static_cast<std::int64_t>(std::clamp(after->to_number<double>(), 0.0, 3.6e6))};
  }
  if (const auto* done = object.if_contains("done"); done != nullptr) {
    if (!done->is_bool()) return invalid_body("'done' must be true or false.");
    report.done = done->get_bool();
  }
  return report;
}

asio::awaitable<Result<Response>> post_verdicts(FarmRef farm, Request request) {
  auto report = read_report(request.body);
  if (!report) co_return fail(std::move(report.error()));
  auto receipt = co_await farm.service->report(std::move(*report));
  if (!receipt) co_return fail(std::move(receipt.error()));
  co_return Response::json(200, fmt::format(R"({{"recorded":{},"late":{},"unknown":{}}})", receipt->recorded,
                                            receipt->late, receipt->unknown));
}

asio::awaitable<Result<Response>> extend_lease(FarmRef farm, Request request) {
  std::string id(request.param("lease"));
  auto until = co_await farm.service->extend(id);
  if (!until) co_return fail(std::move(until.error()));
  co_return Response::json(200, json::serialize(json::object{{"lease", id}, {"expires_at", to_rfc3339(*until)}}));
}

// --- the old clients ------------------------------------------------------------------------------

Result<> check_token(const FarmRef& farm, const Request& request) {
  if (auto on = check_on(*farm.state); !on) return on;
  if (farm.service->carries_token(request)) return {};
  if (farm.service->bars(request.client_address))
    return fail(Code::kLimited, "rate-limited", "Too many wrong tokens came from this address. Try again in a minute.");
  return fail(Code::kForbidden, "farm-token-wrong",
              "The farm's token is missing or wrong: send it in X-Token or Authorization.");
}

asio::awaitable<Result<Response>> legacy_config(FarmRef farm, Request request) {
  if (auto allowed = check_token(farm, request); !allowed) co_return fail(std::move(allowed.error()));
  const auto& config = *farm.state->config;
  json::object teams;
  for (const auto& team : config.teams) teams[team.name] = team.address;
  const json::object out{{"TEAMS", std::move(teams)},
                         {"FLAG_FORMAT", config.format->python()},
                         {"FLAG_LIFETIME", static_cast<double>(config.flag_lifetime.count()) / 1000},
                         {"SUBMIT_PERIOD", static_cast<double>(config.submit_period.count()) / 1000}};
  co_return Response::json(200, json::serialize(out));
}

/// Those clients send the same again after anything but 200, for ever: what is no flag must not make them.
asio::awaitable<Result<Response>> legacy_post(FarmRef farm, Request request) {
  auto posted = co_await read(farm, &request.body, kLegacyMost);
  if (!posted) co_return fail(std::move(posted.error()));
  const auto& all = posted->flags;
  for (std::size_t from = 0; from < all.size(); from += kMostFlagsInPost) {
    const auto until = std::min(all.size(), from + kMostFlagsInPost);
    std::vector<NewFlag> some(all.begin() + static_cast<std::ptrdiff_t>(from),
                              all.begin() + static_cast<std::ptrdiff_t>(until));
    auto receipt = co_await farm.service->post(std::move(some));
    if (!receipt) co_return fail(std::move(receipt.error()));
  }
  co_return Response::empty(200);
}

}  // namespace

void Service::add_routes(house::Routes& routes) {
  const FarmRef farm{this, state_};
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler, house::Body body = house::kUsualBody) {
    routes.add(
        std::move(method), std::move(pattern), rights, std::move(limits),
        [farm, handler](Request request) { return handler(farm, std::move(request)); }, std::move(body));
  };
  // Nobody's flags are read while there is no farm.
  const house::Body flags(kMostPostBytes, [farm](const Request&) -> Result<std::size_t> {
    if (auto on = check_on(*farm.state); !on) return fail(std::move(on.error()));
    return kMostPostBytes;
  });
  const house::Body with_token(kMostPostBytes, [farm](const Request& request) -> Result<std::size_t> {
    if (auto allowed = check_token(farm, request); !allowed) return fail(std::move(allowed.error()));
    return kMostPostBytes;
  });
  add("POST", "/api/v1/farm/flags", {Access::kAuthor, Scope::kFlags}, {"farm"}, post_flags, flags);
  add("POST", "/api/v1/farm/flags/text", {Access::kAuthor, Scope::kFlags}, {"farm"}, paste_text, flags);
  add("POST", "/api/v1/farm/lease", {Access::kOperator, Scope::kFlags}, {"farm"}, take_lease);
  add("POST", "/api/v1/farm/lease/{lease}/extend", {Access::kOperator, Scope::kFlags}, {"farm"}, extend_lease);
  add("POST", "/api/v1/farm/verdicts", {Access::kOperator, Scope::kFlags}, {"farm"}, post_verdicts, flags);
  add("GET", "/api/get_config", {Access::kOpen}, {"farm"}, legacy_config);
  add("POST", "/api/post_flags", {Access::kOpen}, {"farm"}, legacy_post, with_token);
  add_view_routes(routes, farm);
  add_game_routes(routes, farm);
}

}  // namespace tiltyard::farm
