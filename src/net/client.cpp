#include "net/client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "net/dial.h"
#include "net/parse.h"
#include "net/text.h"
#include "net/transport.h"
#include "net/websocket.h"

namespace tiltyard::http {
namespace {

using std::chrono::steady_clock;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadSize = 64 * 1024;
/// A dropped answer's rest is not worth reading; a refused upgrade's explanation is, up to here.
constexpr std::size_t kRefusalBytes = 64 * 1024;

Error lost(std::string cause) {
  return {Code::kUnavailable, reason::kConnectionLost, "The connection was cut in mid-call.", std::move(cause), {}};
}
Error timed_out() { return {Code::kTimeout, reason::kTimeout, "The other side did not answer in time.", {}, {}}; }

/// Cuts a transport when its time is up. The flag tells that from other ends.
class Deadline {
  enum class State { kRunning, kPassed, kOver };

 public:
  Deadline(std::shared_ptr<Transport> transport, steady_clock::time_point until)
      : timer_(transport->executor(), until), state_(std::make_shared<State>()) {
    timer_.async_wait([state = state_, transport = std::move(transport)](const error_code& error) {
      // The wait may have ended just before somebody took the deadline away: then the connection is another one's.
      if (error || *state == State::kOver) return;
      *state = State::kPassed;
      transport->close();
    });
  }
  ~Deadline() { *state_ = State::kOver; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  bool passed() const { return *state_ == State::kPassed; }
  Error why(const std::string& otherwise) const { return passed() ? timed_out() : lost(otherwise); }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

std::string host_of(const Target& target) {
  if (!target.unix_path.empty()) return "localhost";
  const bool v6 = target.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + target.host + "]" : target.host;
  const bool usual = target.port == (target.tls ? 443 : 80);
  return usual ? host : host + ":" + std::to_string(target.port);
}

bool safe_field(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// The head of a request on the wire, or nothing if one of its parts would break its line.
std::optional<std::string> write_request_head(const Request& request, const std::string& host, bool chunked) {
  std::string out;
  out.reserve(256);
  const bool blank = request.target.find(' ') != std::string::npos || request.method.find(' ') != std::string::npos;
  if (blank || !safe_field(request.target) || !safe_field(request.method)) return std::nullopt;
  out += request.method + " " + request.target + " HTTP/1.1\r\n";
  if (!request.headers.has("Host")) out += "Host: " + host + "\r\n";
  for (const auto& [name, value] : request.headers) {
    if (same_text(name, "Content-Length") || same_text(name, "Transfer-Encoding")) continue;
    if (!safe_field(name) || !safe_field(value)) return std::nullopt;
    out += name + ": " + value + "\r\n";
  }
  const bool bodiless = request.method == "GET" || request.method == "HEAD" || request.method == "DELETE";
  if (chunked) out += "Transfer-Encoding: chunked\r\n";
  else if (!request.body.empty() || !bodiless) out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  out += "\r\n";
  return out;
}

std::string chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  const auto [end, error] = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16);
  std::string out(size.data(), end);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
  return out;
}

bool idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

Result<Target> Target::parse(std::string_view url) {
  const auto bad = [url] {
    return fail(Code::kInvalid, "invalid-address",
                "'" + std::string(url.substr(0, 200)) +
                    "' is not an address; write unix:///path, tcp://host:port or https://host:port.");
  };
  Target target;
  const auto mark = url.find("://");
  if (mark == std::string_view::npos) return bad();
  const std::string_view scheme = url.substr(0, mark);
  std::string_view rest = url.substr(mark + 3);
  if (scheme == "unix") {
    if (!rest.starts_with('/') || rest.size() > 100) return bad();
    target.unix_path = rest;
    return target;
  }
  target.tls = scheme == "https";
  if (scheme != "tcp" && scheme != "http" && scheme != "https") return bad();
  rest = rest.substr(0, rest.find('/'));
  const auto bracket = rest.rfind(']');
  const auto colon = rest.rfind(':');
  const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  std::string_view host = rest.substr(0, has_port ? colon : rest.size());
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  target.host = host;
  target.port = target.tls ? 443 : 80;
  if (has_port) {
    const auto [end, error] = std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), target.port);
    if (error != std::errc{} || end != rest.data() + rest.size()) return bad();
  } else if (scheme == "tcp") {
    return bad();
  }
  if (target.host.empty() || target.port == 0) return bad();
  return target;
}

namespace {

/// A connection of the pool, and what was read too far on it.
struct Link {
  std::shared_ptr<Transport> transport;
  std::string input;
  bool reused = false;
};

struct IdleLink {
  Link link;
  steady_clock::time_point since;
};

class Exchange;

}  // namespace

struct Client::State : std::enable_shared_from_this<Client::State> {
  State(Target where, ClientOptions how) : target(std::move(where)), options(how), host(host_of(target)) {}

  Target target;
  ClientOptions options;
  std::string host;
  std::shared_ptr<asio::ssl::context> tls;
  std::vector<IdleLink> idle;
  bool closed = false;

  std::optional<Link> take_idle();
  void give_back(Link link);
  std::function<void(Link)> returner();
  static asio::awaitable<Result<std::unique_ptr<Exchange>>> begin(std::shared_ptr<State> self, Request request,
                                                                  BodySource body, steady_clock::time_point until,
                                                                  bool fresh);
  static asio::awaitable<Result<Link>> connect(std::shared_ptr<State> self, steady_clock::time_point until);
};

std::optional<Link> Client::State::take_idle() {
  const auto now = steady_clock::now();
  while (!idle.empty()) {
    IdleLink last = std::move(idle.back());
    idle.pop_back();
    // The newest is the likeliest to live; what the peer has closed or talked into is of no use any more.
    if (now - last.since < options.idle_for && last.link.transport->quiet()) {
      last.link.reused = true;
      return std::move(last.link);
    }
    last.link.transport->close();
  }
  return std::nullopt;
}

void Client::State::give_back(Link link) {
  if (closed || !link.input.empty() || !link.transport->open() || options.max_idle == 0) return;
  if (idle.size() >= options.max_idle) idle.erase(idle.begin());
  idle.push_back({std::move(link), steady_clock::now()});
}

asio::awaitable<Result<Link>> Client::State::connect(std::shared_ptr<State> self, steady_clock::time_point until) {
  until = std::min(until, steady_clock::now() + self->options.connect_timeout);
  if (self->target.tls && !self->tls) {
    auto context = make_client_context(self->target.ca_file, self->target.certificate_file, self->target.key_file);
    if (!context) co_return fail(std::move(context.error()));
    self->tls = std::move(*context);
  }
  auto socket =
      co_await dial({self->target.unix_path, self->target.host, self->target.port, self->options.reach}, until);
  if (!socket) co_return fail(std::move(socket.error()));
  Link link;
  link.transport = std::make_shared<Transport>(std::move(*socket));
  if (self->tls) {
    const Deadline deadline(link.transport, until);
    const error_code error = co_await link.transport->connect_tls(self->tls, self->target.host);
    if (error || deadline.passed()) {
      co_return fail(Code::kUnavailable, reason::kConnectFailed,
                     "No secure connection to " + self->host + " can be made.",
                     deadline.passed() ? "timed out" : error.message());
    }
  }
  co_return link;
}

namespace {

/// One request and its answer on one connection. Not kept beyond the end of the answer's body.
class Exchange {
 public:
  Exchange(Link link, bool to_head_request)
      : link_(std::move(link)), reader_(to_head_request), to_head_(to_head_request) {}

  /// Sends head and body. A peer that answers before the body is whole stops the sending.
  asio::awaitable<error_code> send(std::string head, std::string body, BodySource source, Result<>& source_failure);
  asio::awaitable<error_code> receive();
  asio::awaitable<error_code> receive_head();
  void adopt();

  Link link_;
  ResponseReader reader_;
  bool to_head_;
  bool whole_request_ = true;
};

asio::awaitable<error_code> Exchange::send(std::string head, std::string body, BodySource source,
                                           Result<>& source_failure) {
  if (!source && body.size() <= 16 * 1024) {
    head += body;
    co_return co_await link_.transport->write_all(head);
  }
  error_code error = co_await link_.transport->write_all(head);
  if (error) co_return error;
  if (!source) co_return co_await link_.transport->write_all(body);
  while (true) {
    Result<std::string> piece = co_await source();
    if (!piece) {
      source_failure = fail(std::move(piece.error()));
      co_return asio::error::operation_aborted;
    }
    if (!link_.transport->tls() && !link_.transport->quiet()) {
      whole_request_ = false;
      co_return error_code{};
    }
    const std::string framed = piece->empty() ? "0\r\n\r\n" : chunk(*piece);
    error = co_await link_.transport->write_all(framed);
    if (error || piece->empty()) co_return error;
  }
}

/// Some more bytes of the answer into the reader.
asio::awaitable<error_code> Exchange::receive() {
  const std::size_t had = link_.input.size();
  const std::size_t room = had < kReadSize ? kReadSize - had : kReadSize;
  link_.input.resize(had + room);
  auto [error, size] = co_await link_.transport->read_some(asio::mutable_buffer(link_.input.data() + had, room));
  link_.input.resize(had + (error ? 0 : size));
  // A TLS peer that closes without saying so first is only at fault if the answer needed its end.
  const bool end = error == asio::error::eof;
  if (end) {
    reader_.feed_end();
    co_return reader_.stage() == Stage::kBad ? error : error_code{};
  }
  co_return error;
}

void Exchange::adopt() {
  while (!link_.input.empty()) {
    const Stage before = reader_.stage();
    const std::size_t used = reader_.feed(link_.input);
    link_.input.erase(0, used);
    if (used == 0 || (before == Stage::kHead && reader_.stage() != Stage::kHead)) break;
  }
}

asio::awaitable<error_code> Exchange::receive_head() {
  while (true) {
    while (reader_.stage() == Stage::kHead) {
      const error_code error = co_await receive();
      if (error) co_return error;
      adopt();
    }
    // Interim answers (100, 102, 103) come before the real one.
    const int status = reader_.stage() == Stage::kBad ? 0 : reader_.response().status;
    if (status / 100 != 1 || status == 101) co_return error_code{};
    reader_ = ResponseReader(to_head_);
    adopt();
  }
}

std::unexpected<Error> bad_answer(std::string_view why) {
  return fail(Code::kUnavailable, reason::kBadAnswer, "The other side's answer is not HTTP.", std::string(why));
}

class Reader final : public BodyReader {
 public:
  Reader(std::unique_ptr<Exchange> exchange, std::function<void(Link)> give_back)
      : exchange_(std::move(exchange)), give_back_(std::move(give_back)) {
    head_ = std::move(exchange_->reader_.response());
    finish_if_done();
  }
  ~Reader() override {
    if (!exchange_) return;
    auto transport = exchange_->link_.transport;
    asio::dispatch(transport->executor(), [transport] { transport->close(); });
  }

  const Response& head() const override { return head_; }

  asio::awaitable<Result<std::string>> read(std::chrono::milliseconds limit) override {
    if (!rest_.empty()) co_return std::exchange(rest_, {});
    if (failed_) co_return fail(*failed_);
    if (!exchange_) co_return std::string();
    const Deadline deadline(exchange_->link_.transport, steady_clock::now() + limit);
    while (true) {
      exchange_->adopt();
      std::string piece = exchange_->reader_.take_body();
      finish_if_done();
      if (!piece.empty() || !exchange_) co_return piece;
      if (exchange_->reader_.stage() == Stage::kBad) {
        failed_ = lost(std::string(exchange_->reader_.why()));
        co_return fail(*failed_);
      }
      const error_code error = co_await exchange_->receive();
      if (error || deadline.passed()) {
        failed_ = deadline.why(error.message());
        exchange_->link_.transport->close();
        co_return fail(*failed_);
      }
    }
  }

 private:
  void finish_if_done() {
    if (!exchange_ || exchange_->reader_.stage() != Stage::kDone) return;
    rest_ += exchange_->reader_.take_body();
    const bool reusable =
        exchange_->reader_.keep_alive() && !exchange_->reader_.until_end() && exchange_->whole_request_;
    if (reusable) give_back_(std::move(exchange_->link_));
    else exchange_->link_.transport->close();
    exchange_.reset();
  }

  std::unique_ptr<Exchange> exchange_;
  std::function<void(Link)> give_back_;
  Response head_;
  std::string rest_;
  std::optional<Error> failed_;
};

class Raw final : public RawStream {
 public:
  explicit Raw(Link link) : link_(std::move(link)) {}
  ~Raw() override { close(); }

  asio::awaitable<Result<std::string>> read() override {
    auto transport = link_.transport;
    if (!link_.input.empty()) co_return std::exchange(link_.input, {});
    std::string out(kReadSize / 4, '\0');
    auto [error, size] = co_await transport->read_some(asio::buffer(out));
    if (error == asio::error::eof) co_return std::string();
    if (error) co_return fail(lost(error.message()));
    out.resize(size);
    co_return out;
  }

  asio::awaitable<Result<>> write(std::string bytes) override {
    auto transport = link_.transport;
    const error_code error = co_await transport->write_all(bytes);
    if (error) co_return fail(lost(error.message()));
    co_return Result<>{};
  }

  void shutdown_write() override { link_.transport->shutdown_write(); }

  void close() override {
    auto transport = link_.transport;
    asio::dispatch(transport->executor(), [transport] { transport->close(); });
  }

 private:
  Link link_;
};

}  // namespace

std::function<void(Link)> Client::State::returner() {
  return [weak = weak_from_this()](Link link) {
    if (const auto self = weak.lock()) self->give_back(std::move(link));
  };
}

/// Sends the request and reads the head of its answer, on a kept-open connection if there is one and `fresh` is not
/// said.
asio::awaitable<Result<std::unique_ptr<Exchange>>> Client::State::begin(std::shared_ptr<State> self, Request request,
                                                                        BodySource body, steady_clock::time_point until,
                                                                        bool fresh) {
  const auto head = write_request_head(request, self->host, static_cast<bool>(body));
  if (!head) {
    co_return fail(Code::kInvalid, "invalid-request", "The request's target or one of its fields breaks its line.");
  }
  while (true) {
    std::optional<Link> link = fresh ? std::nullopt : self->take_idle();
    if (!link) {
      auto made = co_await connect(self, until);
      if (!made) co_return fail(std::move(made.error()));
      link = std::move(*made);
    }
    const bool reused = link->reused;
    const Deadline deadline(link->transport, until);
    auto exchange = std::make_unique<Exchange>(std::move(*link), request.method == "HEAD");
    Result<> source_failure;
    const error_code sent = co_await exchange->send(*head, request.body, body, source_failure);
    if (!source_failure) co_return fail(std::move(source_failure.error()));
    if (deadline.passed()) co_return fail(timed_out());
    // A peer that refuses a body may answer and close before it has read all of it, so the answer is read in any case.
    if (sent) exchange->whole_request_ = false;
    const error_code received = co_await exchange->receive_head();
    if (deadline.passed()) co_return fail(timed_out());
    if (received) {
      const bool nothing_came = !exchange->reader_.started();
      if (!reused || !nothing_came || body || !idempotent(request.method)) {
        co_return fail(lost((sent ? sent : received).message()));
      }
      fresh = true;
      continue;
    }
    if (exchange->reader_.stage() == Stage::kBad) co_return bad_answer(exchange->reader_.why());
    co_return exchange;
  }
}

Client::Client(Target target, ClientOptions options) : state_(std::make_shared<State>(std::move(target), options)) {}

Client::~Client() {
  state_->closed = true;
  close_idle();
}

void Client::close_idle() {
  for (auto& entry : state_->idle) entry.link.transport->close();
  state_->idle.clear();
}

asio::awaitable<Result<Response>> Client::send(Request request, std::chrono::milliseconds deadline) {
  auto work = upload(std::move(request), {}, deadline);
  co_return co_await std::move(work);
}

asio::awaitable<Result<Response>> Client::upload(Request request, BodySource body, std::chrono::milliseconds deadline) {
  const auto state = state_;
  const auto until = steady_clock::now() + deadline;
  auto begun = co_await State::begin(state, std::move(request), std::move(body), until, false);
  if (!begun) co_return fail(std::move(begun.error()));
  Reader reader(std::move(*begun), state->returner());
  Response response = reader.head();
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    auto piece = co_await reader.read(left);
    if (!piece) co_return fail(std::move(piece.error()));
    if (piece->empty()) co_return response;
    if (response.body.size() + piece->size() > state->options.body_limit) {
      co_return fail(Code::kTooLarge, "too-large", "The other side's answer is over the limit.");
    }
    response.body += *piece;
  }
}

asio::awaitable<Result<std::unique_ptr<BodyReader>>> Client::open(Request request, BodySource body,
                                                                  std::chrono::milliseconds head_deadline) {
  const auto state = state_;
  const auto until = steady_clock::now() + head_deadline;
  auto begun = co_await State::begin(state, std::move(request), std::move(body), until, false);
  if (!begun) co_return fail(std::move(begun.error()));
  std::unique_ptr<BodyReader> reader = std::make_unique<Reader>(std::move(*begun), state->returner());
  co_return reader;
}

asio::awaitable<Result<std::unique_ptr<RawStream>>> Client::upgrade(Request request,
                                                                    std::chrono::milliseconds deadline) {
  const auto state = state_;
  const auto until = steady_clock::now() + deadline;
  auto begun = co_await State::begin(state, std::move(request), {}, until, true);
  if (!begun) co_return fail(std::move(begun.error()));
  Exchange& exchange = **begun;
  const int status = exchange.reader_.response().status;
  if (status == 101 || (status == 200 && exchange.reader_.until_end())) {
    std::unique_ptr<RawStream> raw = std::make_unique<Raw>(std::move(exchange.link_));
    co_return raw;
  }
  Reader reader(std::move(*begun), state->returner());
  std::string text;
  while (text.size() < kRefusalBytes) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    auto piece = co_await reader.read(left);
    if (!piece || piece->empty()) break;
    text += *piece;
  }
  co_return fail(Error{Code::kInvalid,
                       reason::kUpgradeRefused,
                       "The other side does not hand over the connection.",
                       std::move(text),
                       {{"status", std::to_string(status)}}});
}

asio::awaitable<Result<std::unique_ptr<WebSocket>>> Client::websocket(Request request,
                                                                      std::chrono::milliseconds deadline) {
  const auto state = state_;
  const auto until = steady_clock::now() + deadline;
  auto link = co_await State::connect(state, until);
  if (!link) co_return fail(std::move(link.error()));
  const Deadline limit(link->transport, until);
  auto socket = co_await connect_websocket(link->transport, std::move(request), state->host);
  if (limit.passed()) co_return fail(timed_out());
  co_return socket;
}

}  // namespace tiltyard::http
