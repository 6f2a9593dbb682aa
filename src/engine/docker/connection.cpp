#include "engine/docker/connection.h"

#include <algorithm>
#include <charconv>

#include "engine/docker/answers.h"
#include "engine/reasons.h"
#include "observe/log.h"

namespace tiltyard::engine::docker {
namespace {

using namespace std::chrono_literals;

/// "1.41" → 41; 0 for anything else.
int minor_of(std::string_view version) {
  if (!version.starts_with("1.")) return 0;
  int minor = 0;
  std::from_chars(version.data() + 2, version.data() + version.size(), minor);
  return minor;
}

http::ClientOptions client_options() {
  http::ClientOptions options;
  // The daemon never closes an idle connection by itself, so an old one is as good as a new one.
  options.idle_for = std::chrono::minutes{10};
  options.connect_timeout = 2s;
  return options;
}

/// The privileged half, which answers in the engine's place, finds it away.
bool says_away(const http::Response& answer) {
  return answer.status == 503 && answer.headers.get("Tiltyard-Reason") == reason::kAway;
}

Error nobody_answers() {
  return {Code::kUnavailable, http::reason::kConnectFailed, "Nobody answers.", "the privileged half says so", {}};
}

}  // namespace

Connection::Connection(std::string engine, http::Target target)
    : engine_(std::move(engine)),
      door_{target.unix_path, target.host, target.port},
      client_(std::move(target), client_options()) {}

http::Request Connection::request(std::string method, std::string path, std::string body,
                                  std::string content_type) const {
  http::Request out;
  out.method = std::move(method);
  out.target = minor_ == 0 ? std::move(path) : "/v1." + std::to_string(minor_) + path;
  if (!body.empty()) out.headers.add("Content-Type", std::move(content_type));
  out.body = std::move(body);
  return out;
}

Error Connection::failed(const Error& error) {
  Error ours = transport_error(engine_, error);
  if (ours.reason == reason::kAway || ours.reason == reason::kLost) {
    client_.close_idle();
    if (ours.reason == reason::kAway) set_away(ours.cause);
    if (trouble_) trouble_();
  }
  return ours;
}

void Connection::set_away(std::string cause) {
  if (away_) return;
  log::warn("engine", "the engine is away", {{"engine", engine_}, {"cause", cause}});
  away_ = transport_error(engine_, Error{Code::kUnavailable, http::reason::kConnectFailed, std::move(cause), {}, {}});
}

asio::awaitable<Result<>> Connection::ready() {
  // With a watcher that tries again by itself, nobody else has to wait for a dead engine.
  if (away_ && trouble_) co_return fail(*away_);
  if (minor_ != 0 && !away_) co_return Result<>{};
  auto version = co_await negotiate();
  if (!version) co_return fail(std::move(version.error()));
  co_return Result<>{};
}

asio::awaitable<Result<std::string>> Connection::negotiate() {
  http::Request ask;
  ask.target = "/version";
  auto answer = co_await client_.send(std::move(ask), 5s);
  if (!answer) {
    Error error = failed(answer.error());
    // A daemon that accepts but does not answer is as far away as one that is not there.
    set_away(error.cause);
    co_return fail(std::move(error));
  }
  if (says_away(*answer)) co_return fail(failed(nobody_answers()));
  if (answer->status != 200) co_return fail(refusal(About::kEngine, *answer));
  auto version = parse_json(answer->body);
  if (!version) co_return fail(std::move(version.error()));
  const int newest = minor_of(text_of(*version, "ApiVersion"));
  const int oldest = minor_of(text_of(*version, "MinAPIVersion"));
  if (newest < kOldestMinor || oldest > kNewestMinor) {
    co_return fail(Code::kInvalid, reason::kRefused,
                   "The engine " + engine_ + " speaks another version of its API; 1." + std::to_string(kOldestMinor) +
                       " to 1." + std::to_string(kNewestMinor) + " are known.",
                   answer->body);
  }
  minor_ = std::min(newest, kNewestMinor);
  if (away_) log::info("engine", "the engine is back", {{"engine", engine_}, {"api", api_version()}});
  away_.reset();
  co_return std::move(answer->body);
}

asio::awaitable<Result<>> Connection::ping() {
  http::Request ask;
  ask.target = "/_ping";
  auto answer = co_await client_.send(std::move(ask), 2s);
  if (answer && answer->status == 200) co_return Result<>{};
  Error error = answer ? refusal(About::kEngine, *answer) : failed(answer.error());
  set_away(error.cause);
  co_return fail(std::move(error));
}

asio::awaitable<Result<>> Connection::open_door() {
  auto socket = co_await http::dial(door_, std::chrono::steady_clock::now() + 2s);
  if (socket) co_return Result<>{};
  co_return fail(failed(socket.error()));
}

asio::awaitable<Result<http::Response>> Connection::call(std::string method, std::string path, std::string body,
                                                         Deadline deadline, std::string content_type) {
  auto usable = co_await ready();
  if (!usable) co_return fail(std::move(usable.error()));
  auto answer = co_await client_.send(
      request(std::move(method), std::move(path), std::move(body), std::move(content_type)), deadline);
  if (!answer) co_return fail(failed(answer.error()));
  if (says_away(*answer)) co_return fail(failed(nobody_answers()));
  co_return std::move(*answer);
}

asio::awaitable<Result<std::unique_ptr<http::BodyReader>>> Connection::open(std::string method, std::string path,
                                                                            std::string body, http::BodySource source,
                                                                            Deadline head_deadline) {
  auto usable = co_await ready();
  if (!usable) co_return fail(std::move(usable.error()));
  http::Request ask = request(std::move(method), std::move(path), std::move(body), "application/json");
  if (source) ask.headers.set("Content-Type", "application/x-tar");
  auto answer = co_await client_.open(std::move(ask), std::move(source), head_deadline);
  if (!answer) co_return fail(failed(answer.error()));
  if (says_away((*answer)->head())) co_return fail(failed(nobody_answers()));
  co_return std::move(*answer);
}

asio::awaitable<Result<std::unique_ptr<http::RawStream>>> Connection::upgrade(std::string path, std::string body,
                                                                              Deadline deadline) {
  auto usable = co_await ready();
  if (!usable) co_return fail(std::move(usable.error()));
  http::Request ask = request("POST", std::move(path), std::move(body), "application/json");
  ask.headers.set("Connection", "Upgrade");
  ask.headers.set("Upgrade", "tcp");
  auto stream = co_await client_.upgrade(std::move(ask), deadline);
  if (stream) co_return std::move(*stream);
  if (stream.error().reason == http::reason::kUpgradeRefused)
    co_return fail(refusal(About::kMachine, 400, stream.error().cause));
  co_return fail(failed(stream.error()));
}

}  // namespace tiltyard::engine::docker
