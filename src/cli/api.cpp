#include "cli/api.h"

#include <fmt/core.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "base/json.h"
#include "net/client.h"

namespace tiltyard::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kSilence{60};     ///< a stream that we do not follow may pause that long
constexpr std::chrono::hours kFollow{24 * 365};  ///< following a log ends with the log, or with Ctrl-C

Code code_of(int status) {
  switch (status) {
    case 400:
      return Code::kInvalid;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kForbidden;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    case 413:
      return Code::kTooLarge;
    case 429:
      return Code::kLimited;
    case 503:
      return Code::kUnavailable;
    case 504:
      return Code::kTimeout;
    case 507:
      return Code::kExhausted;
    default:
      return status < 500 ? Code::kInvalid : Code::kInternal;
  }
}

/// The value of a problem's extra member, as text.
std::string member_text(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

bool away(const Error& error) {
  return error.reason == http::reason::kConnectFailed || error.reason == http::reason::kConnectionLost ||
         error.reason == http::reason::kTimeout;
}

/// The gateway's pages are problems too, and say so: what asks for the API there is at the wrong door.
Error gateway_there() {
  return {Code::kInvalid,
          reason::kInvalidUrl,
          "What answers there is Tiltyard's gateway, which leads to machines. The API has an address of its own: see "
          "server.listen, and say it in TILTYARD_URL.",
          {},
          {}};
}

}  // namespace

struct Api::State {
  Where where;
  asio::io_context loop{1};
  http::Target target;
  std::optional<Error> bad_target;
  std::unique_ptr<http::Client> client;
  std::string base;  ///< path before /api/v1
  std::string host;  ///< for the Host field

  http::Request request(const std::string& method, const std::string& path) const {
    http::Request out;
    out.method = method;
    out.target = base + "/api/v1" + path;
    out.headers.set("Host", host);
    out.headers.set("Accept", "application/json");
    if (!where.token.empty()) out.headers.set("Authorization", "Bearer " + where.token.reveal());
    return out;
  }

  Error no_server(const Error& cause) const {
    return {Code::kUnavailable,
            reason::kServerAway,
            fmt::format("No server answers at {} ({}).", where.url, cause.reason),
            cause.cause,
            {}};
  }
  Error told(const Error& error) const { return away(error) ? no_server(error) : error; }

  /// Runs the loop until `work` has ended.
  template <class T>
  Result<T> finish(asio::awaitable<Result<T>> work) {
    std::optional<Result<T>> out;
    std::exception_ptr failure;
    auto done = [&](std::exception_ptr thrown, Result<T> result) {
      failure = thrown;
      out.emplace(std::move(result));
    };
    asio::co_spawn(loop, std::move(work), done);
    loop.restart();
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return std::move(*out);
  }
};

namespace {

Result<json::value> read_answer(const http::Response& response) {
  if (response.status < 200 || response.status > 299) return fail(error_from(response.status, response.body));
  if (response.body.empty()) return json::value();
  boost::system::error_code error;
  auto value = json::parse(response.body, error);
  if (!error && text_of(value, "answered_by") == "gateway") return fail(gateway_there());
  if (error)
    return fail(Code::kInternal, http::reason::kBadAnswer,
                "The server's answer is not JSON. Is there another server at this address?");
  return value;
}

}  // namespace

Api::Api(Where where) : state_(std::make_shared<State>()) {
  state_->where = std::move(where);
  const auto& url = state_->where.url;
  const auto scheme = url.find("://");
  const auto path = scheme == std::string::npos ? std::string::npos : url.find('/', scheme + 3);
  const auto origin = url.substr(0, path);
  if (path != std::string::npos) state_->base = url.substr(path);
  while (state_->base.ends_with('/')) state_->base.pop_back();
  if (constexpr std::string_view kApi = "/api/v1"; state_->base.ends_with(kApi))  // as documents of the API name it
    state_->base.resize(state_->base.size() - kApi.size());
  if (state_->where.fault) {
    state_->bad_target = state_->where.fault;
    return;
  }
  auto target = http::Target::parse(origin);
  if (!target || !(origin.starts_with("http://") || origin.starts_with("https://") || origin.starts_with("unix://"))) {
    state_->bad_target = Error{Code::kInvalid,
                               reason::kInvalidUrl,
                               fmt::format("\"{}\" is no address like http://127.0.0.1:8000.", url),
                               {},
                               {}};
    return;
  }
  const auto no_token = [](char c) { return c <= ' ' || c > '~'; };
  if (std::ranges::any_of(state_->where.token.reveal(), no_token)) {
    const auto& from = state_->where.token_from;
    state_->bad_target =
        Error{Code::kInvalid,
              reason::kUsage,
              fmt::format("What {} says is no token: there is a blank or a character in it that none has.",
                          from.empty() ? "was given" : from),
              {},
              {}};
    return;
  }
  state_->target = *target;
  state_->host = origin.starts_with("unix://") ? "localhost" : origin.substr(scheme + 3);
  state_->client = std::make_unique<http::Client>(std::move(*target));
}

Api::~Api() = default;

const Where& Api::where() const { return state_->where; }

Result<json::value> Api::call(Call call) {
  if (state_->bad_target) return fail(*state_->bad_target);
  auto request = state_->request(call.method, call.path);
  if (call.body) {
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(*call.body);
  }
  if (call.bytes) {
    request.headers.set("Content-Type", "application/octet-stream");
    request.body = std::move(*call.bytes);
  }
  if (!call.prefer.empty()) request.headers.set("Prefer", call.prefer);
  auto answer = state_->finish(state_->client->send(std::move(request), call.deadline));
  if (!answer) return fail(state_->told(answer.error()));
  return read_answer(*answer);
}

Result<json::value> Api::get(std::string path) {
  Call wanted;
  wanted.path = std::move(path);
  return call(std::move(wanted));
}

Result<json::value> Api::list(std::string path) {
  json::array items;
  std::string cursor;
  const char* joint = path.find('?') == std::string::npos ? "?" : "&";
  while (true) {
    auto page = get(cursor.empty() ? path : fmt::format("{}{}cursor={}", path, joint, encoded(cursor)));
    if (!page) return page;
    const auto* object = page->if_object();
    const auto* found = object != nullptr ? object->if_contains("items") : nullptr;
    if (found == nullptr || !found->is_array())
      return fail(Code::kInternal, http::reason::kBadAnswer, "The server's answer is not a list.");
    for (const auto& item : found->get_array()) items.push_back(item);
    const auto* next = object->if_contains("next");
    if (next == nullptr || !next->is_string())
      return json::value(json::object{{"items", std::move(items)}, {"next", nullptr}});
    cursor = std::string(next->get_string());
  }
}

namespace {

asio::awaitable<Result<bool>> pump(http::Client& client, http::Request request,
                                   std::function<void(std::string_view)> sink, bool follow) {
  http::BodySource no_body;
  auto body = co_await client.open(std::move(request), no_body, kSilence);
  if (!body) co_return fail(body.error());
  const auto deadline = follow ? std::chrono::milliseconds(kFollow) : std::chrono::milliseconds(kSilence);
  const int status = (*body)->head().status;
  std::string refused;
  while (true) {
    auto piece = co_await (*body)->read(deadline);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    if (status == 200) {
      sink(*piece);
    } else {
      refused += *piece;
    }
  }
  if (status != 200) co_return fail(error_from(status, refused));
  co_return true;
}

using Talk = std::function<asio::awaitable<Result<>>(std::shared_ptr<http::WebSocket>)>;

asio::awaitable<Result<bool>> converse(http::Client& client, http::Request request, Talk talk) {
  auto socket = co_await client.websocket(std::move(request), std::chrono::seconds{30});
  if (!socket) co_return fail(socket.error());
  std::shared_ptr<http::WebSocket> shared = std::move(*socket);
  auto said = co_await talk(std::move(shared));
  if (!said) co_return fail(said.error());
  co_return true;
}

}  // namespace

Result<> Api::stream(std::string path, std::function<void(std::string_view)> sink) {
  if (state_->bad_target) return fail(*state_->bad_target);
  const bool follow = path.find("follow=1") != std::string::npos;
  auto done = state_->finish(pump(*state_->client, state_->request("GET", path), std::move(sink), follow));
  if (!done) return fail(state_->told(done.error()));
  return {};
}

Result<> Api::websocket(std::string path, Talk talk) {
  if (state_->bad_target) return fail(*state_->bad_target);
  auto done = state_->finish(converse(*state_->client, state_->request("GET", path), std::move(talk)));
  if (done) return {};
  if (done.error().reason != http::reason::kUpgradeRefused) return fail(state_->told(done.error()));
  // Its cause is the answer: the status, a blank, the body.
  const std::string& answer = done.error().cause;
  const auto blank = std::min(answer.find(' '), answer.size());
  return fail(
      error_from(std::atoi(answer.c_str()), std::string_view(answer).substr(std::min(blank + 1, answer.size()))));
}

std::string encoded(std::string_view text) { return http::percent_encode(text); }

Error error_from(int status, std::string_view body) {
  constexpr std::string_view kPrefix = "urn:tiltyard:error:";
  boost::system::error_code broken;
  const auto value = json::parse(body, broken);
  const auto* problem = broken ? nullptr : value.if_object();
  const auto* type = problem != nullptr ? problem->if_contains("type") : nullptr;
  if (!broken && text_of(value, "answered_by") == "gateway") return gateway_there();
  if (type == nullptr || !type->is_string() || !std::string_view(type->get_string()).starts_with(kPrefix)) {
    return {code_of(status),
            http::reason::kBadAnswer,
            fmt::format("The server answered with status {} and no explanation.", status),
            {},
            {}};
  }
  if (const auto* told = problem->if_contains("status"); status == 0 && told != nullptr && told->is_int64())
    status = static_cast<int>(told->get_int64());
  Error error{code_of(status), std::string(std::string_view(type->get_string()).substr(kPrefix.size())), {}, {}, {}};
  for (const auto& [key, member] : *problem) {
    if (key == "detail") {
      error.message = member_text(member);
    } else if (key != "type" && key != "title" && key != "status") {
      error.with(key, member_text(member));
    }
  }
  if (error.message.empty() && problem->contains("title")) error.message = member_text(problem->at("title")) + ".";
  return error;
}

}  // namespace tiltyard::cli
