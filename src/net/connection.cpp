#include "net/connection.h"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/run_on.h"
#include "net/answer.h"
#include "net/forwarded.h"
#include "net/problem.h"
#include "net/text.h"
#include "net/trace.h"
#include "net/websocket.h"
#include "observe/log.h"
#include "tls/hello.h"

namespace tiltyard::http {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kReadSize = 8 * 1024;
constexpr std::size_t kWritePiece = 64 * 1024;
/// A body may take `body_timeout`, and beyond that must come at least this fast (bytes per second).
constexpr std::size_t kLeastBodyRate = 64 * 1024;
/// An answer may take `write_timeout`, and beyond that must be read at least this fast.
constexpr std::size_t kLeastAnswerRate = 32 * 1024;
/// How long, and how much, we listen to a client that we have refused, so that it gets to read why.
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerBytes = 1024 * 1024;
/// Answers up to this size leave together with their head.
constexpr std::size_t kInOnePiece = net::Claim::kPiece;
/// Up to this share of all connections, or of the address's, everybody may wait as long as they are allowed to.
constexpr double kRoomy = 0.5;
constexpr std::chrono::milliseconds kLeastPatience{1000};
/// From this share of the memory on, who holds some of it and for so long is cut off: the slowest.
constexpr double kMemoryShort = 0.875;
constexpr std::chrono::seconds kSlow{5};

/// Takes the address of an absolute target away: "http://host/path" is "/path" (RFC 9112, 3.2.2).
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() > scheme.size() && same_text(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      const auto slash = target.find_first_of("/?");
      return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
  }
  return target;
}

std::string framed_chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  const auto [end, error] = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16);
  std::string out;
  out.reserve(bytes.size() + 24);
  out.append(size.data(), end);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
  return out;
}

std::unexpected<Error> peer_lost() {
  return fail(Code::kCancelled, "connection-lost", "The client has gone, or the server is shutting down.");
}

/// What a handler's stream writes to. Outlives the connection if the handler keeps it; then it only says so.
class PieceWriter final : public BodyWriter {
 public:
  explicit PieceWriter(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  asio::awaitable<Result<>> write(std::string bytes) override {
    auto work = Connection::write_piece(connection_, std::move(bytes));
    co_return co_await run_on(connection_->executor(), std::move(work));
  }

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace

/// What remains of a request while its answer is written.
struct Connection::Plan {
  std::string path, trace_id;
  bool head_only = false, keep_alive = false, http_1_0 = false;
  std::unique_ptr<Request> upgrade;  ///< the handshake, if it asks for a WebSocket
};

Connection::Connection(std::shared_ptr<ServerShared> shared, Transport::Socket socket, Peer peer, Way way,
                       std::string read)
    : shared_(std::move(shared)),
      transport_(std::make_shared<Transport>(std::move(socket))),
      peer_(std::move(peer)),
      way_(way),
      input_(std::move(read)) {
  transport_->claim() = net::Claim(shared_->budget, peer_.holder);
}

Connection::~Connection() = default;

void Connection::sweep(TimePoint now, Pressure pressure) {
  if (now >= deadline_ || overstays(now, pressure)) {
    expired_ = true;
    transport_->cancel();
  }
  if (pressure.memory > kMemoryShort && transport_->claim().holds() && now - held_since_ > kSlow) cut();
  // A client that closes its side during a stream has gone: only one that reads on for ever could tell otherwise.
  if (streaming_ && transport_->peer_gone()) cut();
}

/// Whether it has waited for its next request longer than there is patience: the shorter the room, the less, so that
/// those go first who have been idle for longest.
bool Connection::overstays(TimePoint now, Pressure pressure) const {
  if (!waiting_) return false;
  const double load = std::max(pressure.places, peer_.place.load());
  if (load <= kRoomy) return false;
  const auto most = shared_->options.idle_timeout;
  const auto share = std::chrono::duration<double, std::milli>(most) * ((1 - load) / (1 - kRoomy));
  const auto patience =
      std::max(std::min(kLeastPatience, most), std::chrono::duration_cast<std::chrono::milliseconds>(share));
  return now >= deadline_ - most + patience;
}

void Connection::drain() {
  if (waiting_) transport_->close();
  if (endless_) cut();
}

void Connection::cut() {
  if (cut_) return;
  cut_ = true;
  if (!transport_->taken()) transport_->close();
  cancel_.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> Connection::run() {
  bool again = true;
  if (way_ == Way::kTls) again = co_await start_tls();
  while (again && !cut_) again = co_await serve_one();
  if (!transport_->taken()) transport_->close();
}

/// What a hello costs stays small until it is whole.
asio::awaitable<bool> Connection::start_tls() {
  const TimePoint until = steady_clock::now() + shared_->options.head_timeout;
  tls::HelloScan scan;
  auto found = scan.look(input_);
  while (found == tls::HelloScan::State::kMore) {
    const bool more = co_await read_more(until);
    if (!more) co_return false;
    found = scan.look(input_);
  }
  if (found == tls::HelloScan::State::kHttp) {
    input_.clear();
    co_await refuse(400, "tls-wanted", "This port speaks TLS: the address begins with https://.");
  }
  if (found != tls::HelloScan::State::kWhole) co_return false;
  deadline_ = until;
  std::string hello = std::exchange(input_, {});
  const error_code error = co_await transport_->accept_tls(shared_->options.tls, std::move(hello));
  deadline_ = TimePoint::max();
  co_return !error;
}

asio::awaitable<void> Connection::turn_away() {
  if (way_ == Way::kPlain) {
    Error full{Code::kUnavailable, "too-many-connections", "The server has no room for another connection.", {}, {}};
    if (!shared_->places.full()) {
      full.code = Code::kLimited;
      full.message = "Too many connections come from this address; close some.";
    }
    Response response = problem(full);
    std::string bytes = write_head(response, "/", Framing::kLength, false, false) + response.body;
    const bool sent = co_await write(std::move(bytes));
    if (sent) co_await linger();
  }
  transport_->close();
}

void Connection::feed(RequestReader& reader) {
  const std::size_t used = reader.feed(input_);
  input_.erase(0, used);
}

asio::awaitable<bool> Connection::read_more(TimePoint deadline) {
  if (cut_) co_return false;
  const std::size_t had = input_.size();
  // Grown without clearing what the kernel is going to fill.
  input_.resize_and_overwrite(had + kReadSize, [](char*, std::size_t size) { return size; });
  expired_ = false;
  deadline_ = deadline;
  auto [error, size] = co_await transport_->read_some(asio::mutable_buffer(input_.data() + had, kReadSize));
  deadline_ = TimePoint::max();
  input_.resize(had + (error ? 0 : size));
  if (!error) expired_ = false;
  co_return !error;
}

asio::awaitable<bool> Connection::read_head(RequestReader& reader) {
  TimePoint deadline = steady_clock::now() + shared_->options.idle_timeout;
  bool first = true;
  while (reader.stage() == Stage::kHead) {
    if (first) {
      // An empty line before the request line is somebody's habit (RFC 9112, 2.2).
      while (input_.starts_with("\r\n")) input_.erase(0, 2);
      if (!input_.empty() && input_ != "\r") {
        first = false;
        deadline = steady_clock::now() + shared_->options.head_timeout;
      }
    }
    if (!first) feed(reader);
    if (reader.stage() != Stage::kHead) break;
    waiting_ = first;
    if (first && shared_->draining) co_return false;
    const bool more = co_await read_more(deadline);
    waiting_ = false;
    if (more) continue;
    if (expired_ && !first) co_await refuse(408, "request-timeout", "The request did not arrive in time.");
    else if (!first && !cut_) co_await refuse(400, "malformed-request", "The request ends in the middle of its head.");
    co_return false;
  }
  co_return true;
}

/// Notes that so many bytes are held for this connection; false: they may not be.
bool Connection::hold(std::size_t bytes) {
  auto& claim = transport_->claim();
  const bool held = claim.holds();
  const bool covered = claim.cover(bytes);
  if (!held && claim.holds()) held_since_ = steady_clock::now();
  return covered;
}

asio::awaitable<bool> Connection::read_body(RequestReader& reader, std::size_t limit) {
  const TimePoint began = steady_clock::now();
  while (true) {
    feed(reader);
    if (reader.stage() == Stage::kBad || reader.body_size() > limit) {
      const bool large = reader.stage() != Stage::kBad || reader.failure() == 413;
      if (large)
        co_await refuse(413, "body-too-large", "The body is over the limit of " + std::to_string(limit) + " bytes.");
      else co_await refuse(reader.failure(), "malformed-request", std::string(reader.why()));
      co_return false;
    }
    if (reader.stage() == Stage::kDone) co_return true;
    if (!hold(reader.body_size() + kReadSize)) {
      co_await refuse(shared_->budget->refusal());
      co_return false;
    }
    const std::chrono::milliseconds earned(reader.body_size() * 1000 / kLeastBodyRate);
    const bool more = co_await read_more(began + shared_->options.body_timeout + earned);
    if (more) continue;
    if (expired_) co_await refuse(408, "request-timeout", "The body of the request did not arrive in time.");
    else if (!cut_) co_await refuse(400, "malformed-request", "The request ends in the middle of its body.");
    co_return false;
  }
}

Result<> Connection::prepare(Request& request) const {
  const std::string_view target = origin_form(request.target);
  const auto mark = target.find('?');
  auto path = clean_path(target.substr(0, mark));
  if (!path) return fail(std::move(path.error()));
  request.path = std::move(*path);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  request.remote_address = peer_.address;
  request.secure = transport_->tls() || (peer_.speaks_for_many && says_https(request.headers));
  request.trace_id = trace_id_;
  return {};
}

asio::awaitable<bool> Connection::serve_one() {
  RequestReader reader(shared_->options.head_limit);
  trace_id_.clear();
  const bool has_head = co_await read_head(reader);
  if (!has_head) co_return false;
  if (reader.stage() == Stage::kBad) {
    const auto* reason = reader.failure() == 431   ? "head-too-large"
                         : reader.failure() == 414 ? "uri-too-long"
                                                   : "malformed-request";
    co_await refuse(reader.failure(), reason, std::string(reader.why()));
    co_return false;
  }
  trace_id_ = trace_id_of(reader.request().headers);
  const Result<> prepared = prepare(reader.request());
  if (!prepared) {
    co_await refuse(400, prepared.error().reason, prepared.error().message);
    co_return false;
  }
  const auto local = [this] { return transport_->local_address(); };
  const Came came{reader.http_1_0(), peer_.speaks_for_many};
  if (!shared_->options.hosts.ours(reader.request().headers, came, local)) {
    co_await refuse(
        421, "host-unknown",
        "The request is for another host. If people use this name, its operator adds it to server.hosts, or "
        "sets server.public_url.");
    co_return false;
  }
  shared_->options.hosts.restore(reader.request().headers, came);
  std::optional<net::Shares::Hold> share;
  if (peer_.speaks_for_many) {
    share = share_behind_proxy(reader.request());
    if (!share) {
      co_await refuse(
          {Code::kLimited, "too-many-connections", "Too many requests of this address are under way.", {}, {}});
      co_return false;
    }
  }
  const bool again = co_await serve(reader);
  transport_->claim().release();
  co_return again;
}

/// For whom the proxy speaks this time: what the request holds counts for them, as its connection would.
std::optional<net::Shares::Hold> Connection::share_behind_proxy(const Request& request) {
  const auto& callers = shared_->router.callers();
  const auto address = callers.address ? callers.address(request) : std::nullopt;
  const net::Holder holder = address ? net::holder_of(*address) : peer_.holder;
  transport_->claim() = net::Claim(shared_->budget, holder);
  auto share = shared_->requests.take(holder);
  if (!share) return std::nullopt;
  return share;
}

/// Empty: nobody is signed in.
std::string_view Connection::user_of(const Visit& visit) const {
  const auto& callers = shared_->router.callers();
  return callers.user ? callers.user(visit.principal) : std::string_view();
}

/// The place of an answer that goes on among all of its user's; over their share it becomes a refusal.
net::Shares::Hold Connection::stream_of(const Visit& visit, Response& response) {
  const auto user = user_of(visit);
  if (user.empty() || !(response.stream || response.websocket)) return {};
  auto place = shared_->streams.take(net::holder_of(user));
  if (!place) {
    response = problem({Code::kLimited,
                        "limit-reached",
                        "Too many streams and terminals of yours are open already; close one.",
                        {},
                        {}});
    response.headers.set("X-Trace-Id", trace_id_);
  }
  return place;
}

/// Strangers' bodies share little; what is a user's counts for the user from wherever they come.
void Connection::count_for(const Visit& visit, What what) {
  auto& claim = transport_->claim();
  if (!visit.known && what == What::kBody) return claim.count_for(net::Claim::Of::kStrangers);
  const auto user = user_of(visit);
  if (user.empty()) claim.count_for(net::Claim::Of::kNobody);
  else claim.count_for(net::Claim::Of::kUser, net::holder_of(user));
}

/// An answer to a request whose body is not read.
asio::awaitable<void> Connection::answer_early(Visit* visit, Request* request) {
  Plan plan;
  plan.path = request->path;
  plan.trace_id = request->trace_id;
  plan.head_only = request->method == "HEAD";
  auto work = shared_->router.finish(visit, std::move(*request));
  Response response = co_await std::move(work);
  co_await send(plan, std::move(response));
  if (!cut_) co_await linger();
}

/// What has come together with the head is used as it is. Before more of the body is read everything is asked that can
/// be asked without it.
asio::awaitable<bool> Connection::let_body_in(RequestReader& reader, Visit* visit) {
  Request& request = reader.request();
  if (!visit->refused && reader.content_length().value_or(0) > visit->body_limit) {
    co_await refuse(413, "body-too-large",
                    "The body is over the limit of " + std::to_string(visit->body_limit) + " bytes.");
    co_return false;
  }
  if (request.headers.has("Expect") && !reader.expects_continue() && !reader.http_1_0()) {
    co_await refuse(417, "expectation-failed", "The only expectation met here is 100-continue.");
    co_return false;
  }
  reader.limit_body(visit->body_limit);
  feed(reader);
  if (reader.stage() == Stage::kBody) {
    co_await shared_->router.admit(visit, &request);
    if (cut_) co_return false;
    if (visit->refused) {
      co_await answer_early(visit, &request);
      co_return false;
    }
    if (reader.content_length().value_or(0) > visit->body_limit) {
      co_await refuse(413, "body-too-large",
                      "The body is over the limit of " + std::to_string(visit->body_limit) + " bytes.");
      co_return false;
    }
    count_for(*visit, What::kBody);
    if (reader.expects_continue() && reader.body_size() == 0 && input_.empty()) {
      const bool told = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
      if (!told) co_return false;
    }
  }
  co_return co_await read_body(reader, visit->body_limit);
}

asio::awaitable<bool> Connection::serve(RequestReader& reader) {
  Request& request = reader.request();
  Visit visit = shared_->router.begin(request);
  if (reader.stage() == Stage::kBody) {
    const bool whole = co_await let_body_in(reader, &visit);
    if (!whole) co_return false;
  }
  Plan plan;
  plan.path = request.path;
  plan.trace_id = request.trace_id;
  plan.head_only = request.method == "HEAD";
  plan.http_1_0 = reader.http_1_0();
  plan.keep_alive = reader.keep_alive();
  if (!plan.http_1_0 && wants_websocket(request)) {
    // A browser sends cookies along whatever page opens it, so the page must be ours (RFC 6455, 10.2).
    if (request.headers.has("Cookie") && !same_origin(request.headers, request.secure)) {
      co_await refuse(403, "csrf", "A WebSocket with a cookie is only opened for pages of this host.");
      co_return false;
    }
    plan.upgrade = std::make_unique<Request>(request);
  }
  auto work = shared_->router.finish(&visit, std::move(request));
  Response response = co_await std::move(work);
  if (cut_) co_return false;
  // The request's body is gone by now.
  transport_->claim().release();
  const auto place = stream_of(visit, response);
  if (response.stream || response.websocket || response.body.size() > kInOnePiece) count_for(visit, What::kAnswer);
  co_return co_await send(plan, std::move(response));
}

asio::awaitable<bool> Connection::write(std::string bytes) {
  std::string_view rest = bytes;
  const auto& options = shared_->options;
  TimePoint began{};
  while (!rest.empty()) {
    if (cut_) co_return false;
    // A slow reader may take its time, as far as the whole comes to the least rate; a stopped one may not.
    expired_ = false;
    const auto now = steady_clock::now();
    if (began == TimePoint{}) began = now;
    const std::chrono::milliseconds earned((bytes.size() - rest.size()) * 1000 / kLeastAnswerRate);
    deadline_ = std::min(now, began + earned) + options.write_timeout;
    auto [error, size] =
        co_await transport_->write_some(asio::const_buffer(rest.data(), std::min(rest.size(), kWritePiece)));
    deadline_ = TimePoint::max();
    if (error) {
      // A cancelled write that had made no progress is not tried again: the peer has had its time.
      transport_->close();
      co_return false;
    }
    rest.remove_prefix(size);
  }
  co_return true;
}

asio::awaitable<bool> Connection::send(const Plan& plan, Response response) {
  if (response.websocket) co_return co_await send_websocket(plan, std::move(response));
  if (response.stream) co_return co_await send_stream(plan, std::move(response));
  if (response.body.size() > kInOnePiece && !hold(response.body.size())) {
    response = problem(shared_->budget->refusal());
    response.headers.set("X-Trace-Id", plan.trace_id);
  }
  const bool keep = plan.keep_alive && !shared_->draining;
  const bool bodiless = response.status == 204 || response.status == 304 || response.status / 100 == 1;
  std::string bytes =
      write_head(response, plan.path, bodiless ? Framing::kNone : Framing::kLength, keep, transport_->tls());
  if (bodiless || plan.head_only) {
    const bool sent = co_await write(std::move(bytes));
    co_return sent&& keep;
  }
  if (response.body.size() <= kInOnePiece) {
    bytes += response.body;
    const bool sent = co_await write(std::move(bytes));
    co_return sent&& keep;
  }
  const bool begun = co_await write(std::move(bytes));
  if (!begun) co_return false;
  const bool sent = co_await write(std::move(response.body));
  co_return sent&& keep;
}

asio::awaitable<bool> Connection::send_stream(const Plan& plan, Response response) {
  const bool keep = plan.keep_alive && !shared_->draining && !plan.http_1_0;
  chunked_ = !plan.http_1_0;
  std::string head =
      write_head(response, plan.path, chunked_ ? Framing::kChunked : Framing::kUntilClose, keep, transport_->tls());
  const bool begun = co_await write(std::move(head));
  if (!begun) co_return false;
  if (plan.head_only) co_return keep;
  streaming_ = true;
  endless_ = response.headers.get("Content-Type").starts_with("text/event-stream");
  if (endless_ && shared_->draining) co_return false;
  bool whole = true;
  try {
    auto work = response.stream(std::make_shared<PieceWriter>(shared_from_this()));
    co_await run_on(shared_->router.home(), std::move(work));
  } catch (const std::exception& error) {
    whole = false;
    if (!cut_)
      log::error("http", "a streaming answer failed",
                 {{"path", plan.path}, {"trace_id", plan.trace_id}, {"cause", error.what()}});
  }
  streaming_ = endless_ = false;
  // Without the last chunk the client can tell that the answer is not whole.
  if (!whole || cut_) co_return false;
  if (!chunked_) co_return false;
  const bool ended = co_await write("0\r\n\r\n");
  co_return ended&& keep;
}

asio::awaitable<Result<>> Connection::write_piece(std::shared_ptr<Connection> self, std::string bytes) {
  if (!self->streaming_ || self->cut_) co_return peer_lost();
  if (bytes.empty()) co_return Result<>{};
  if (!self->hold(bytes.size())) co_return fail(self->shared_->budget->refusal());
  std::string framed = self->chunked_ ? framed_chunk(bytes) : std::move(bytes);
  const bool sent = co_await self->write(std::move(framed));
  self->transport_->claim().release();
  if (!sent) co_return peer_lost();
  co_return Result<>{};
}

asio::awaitable<bool> Connection::send_websocket(const Plan& plan, Response response) {
  if (!plan.upgrade) {
    Response refusal =
        problem_with_status(426, {Code::kInvalid, "upgrade-required", "This path speaks WebSocket.", {}, {}});
    refusal.headers.set("Upgrade", "websocket");
    refusal.headers.set("X-Trace-Id", plan.trace_id);
    co_return co_await send(plan, std::move(refusal));
  }
  if (shared_->draining) co_return false;
  Headers extra = security_fields(response, plan.path, transport_->tls());
  for (const auto& [name, value] : response.headers) extra.add(name, value);
  transport_->unread(std::exchange(input_, {}));
  endless_ = true;
  auto accepted = co_await accept_websocket(transport_, std::move(*plan.upgrade), std::move(extra));
  if (!accepted) co_return false;
  std::shared_ptr<WebSocket> socket = std::move(*accepted);
  try {
    auto work = response.websocket(socket);
    co_await run_on(shared_->router.home(), std::move(work));
  } catch (const std::exception& error) {
    if (!cut_)
      log::error("http", "a WebSocket failed",
                 {{"path", plan.path}, {"trace_id", plan.trace_id}, {"cause", error.what()}});
  }
  if (!cut_ && !transport_->taken()) co_await socket->close(1000, "");
  endless_ = false;
  co_return false;
}

asio::awaitable<void> Connection::refuse(int status, std::string reason, std::string detail) {
  co_await say(problem_with_status(status, {Code::kInvalid, std::move(reason), std::move(detail), {}, {}}));
}

asio::awaitable<void> Connection::refuse(Error error) { co_await say(problem(error)); }

/// The last answer of this connection, to a request that was not read to its end.
asio::awaitable<void> Connection::say(Response response) {
  transport_->claim().release();
  response.headers.add("X-Trace-Id", trace_id_.empty() ? trace_id_of({}) : trace_id_);
  count_refused("other", response.status);
  std::string bytes = write_head(response, "/api", Framing::kLength, false, transport_->tls()) + response.body;
  const bool sent = co_await write(std::move(bytes));
  if (sent) co_await linger();
}

asio::awaitable<void> Connection::linger() {
  // Closing with unread bytes makes the kernel send a reset, which can overtake our answer.
  transport_->shutdown_write();
  const TimePoint until = steady_clock::now() + kLinger;
  std::size_t drained = 0;
  while (drained < kLingerBytes && steady_clock::now() < until) {
    input_.clear();
    const bool more = co_await read_more(until);
    if (!more) break;
    drained += input_.size();
  }
}

}  // namespace tiltyard::http
