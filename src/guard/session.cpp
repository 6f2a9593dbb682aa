#include "guard/session.h"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "net/dial.h"
#include "observe/log.h"

namespace tiltyard::guard {
namespace {

using namespace std::chrono_literals;
using gateway::FieldKind;
using gateway::Framing;

constexpr std::size_t kLongestCall = 16 * 1024, kLongestAnswerHead = 64 * 1024;
constexpr std::size_t kLongestBody = 1024 * 1024;  // of what is read here; archives pass
constexpr std::size_t kPiece = 16 * 1024;
constexpr auto kIdle = 15min;   // longer than the server keeps a connection that it does not use
constexpr auto kAnswers = 24h;  // a followed log may have nothing to say for a day
constexpr auto kDials = 2s;
constexpr auto kAgain = 1min;  // how often something that goes on is noted

/// What the engine is asked, in our own words.
std::string call_head(std::string_view method, std::string_view target, const Call& call, Framing framing,
                      std::size_t size) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: engine\r\n", method, target);
  if (call.body != Body::kNone)
    head += fmt::format("Content-Type: {}\r\n", call.body == Body::kJson ? "application/json" : "application/x-tar");
  if (call.effect == Effect::kHijacks) head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  if (call.body == Body::kArchive && framing.kind == Framing::Kind::kChunked) head += "Transfer-Encoding: chunked\r\n";
  else if (call.body == Body::kArchive) head += fmt::format("Content-Length: {}\r\n", framing.length);
  else if (method != "GET") head += fmt::format("Content-Length: {}\r\n", size);
  return head + "\r\n";
}

std::string answer_head(const gateway::ResponseHead& head, Framing framing) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", head.status, head.reason);
  for (const auto& field : head) {
    if (field.kind == FieldKind::kOther || field.kind == FieldKind::kForwarding) out += field.line;
  }
  if (head.status == 101) out += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  else if (framing.kind == Framing::Kind::kChunked) out += "Transfer-Encoding: chunked\r\n";
  else if (framing.kind == Framing::Kind::kLength) out += fmt::format("Content-Length: {}\r\n", framing.length);
  else if (framing.kind == Framing::Kind::kUntilClose) out += "Connection: close\r\n";
  return out + "\r\n";
}

/// Until it is no longer wanted.
asio::awaitable<void> forever() {
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  boost::system::error_code ignored;
  co_await never.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

Session::Session(const Needs& needs, http::Transport::Socket client) : needs_(needs) {
  client_.transport = std::make_shared<http::Transport>(std::move(client));
  patience_ = std::make_shared<asio::steady_timer>(client_.transport->executor());
}

Session::~Session() {
  patience_->cancel();
  client_.transport->close();
  if (engine_.transport) engine_.transport->close();
}

/// Both connections are cut when the time is up, which ends whatever waits for them.
void Session::patient_for(std::chrono::steady_clock::duration time) {
  patient_since_ = std::chrono::steady_clock::now();
  patience_->expires_after(time);
  patience_->async_wait([client = std::weak_ptr(client_.transport),
                         engine = std::weak_ptr(engine_.transport)](const boost::system::error_code& error) {
    if (error) return;
    if (const auto one = client.lock()) one->close();
    if (const auto one = engine.lock()) one->close();
  });
}

asio::awaitable<void> Session::run() {
  while (co_await exchange()) {}
}

asio::awaitable<bool> Session::read_more(Side* from) {
  const auto transport = from->transport;
  // Not in place: who stops waiting in between leaves what is there as it was.
  std::string piece(kPiece, '\0');
  const auto [error, count] = co_await transport->read_some(asio::buffer(piece.data(), piece.size()));
  if (error) co_return false;
  from->pending.append(piece, 0, count);
  co_return true;
}

asio::awaitable<std::size_t> Session::read_head(Side* from, std::size_t limit) {
  gateway::HeadEnd end;
  while (true) {
    const auto state = end.find(from->pending);
    if (state == gateway::HeadEnd::State::kFound) {
      from->pending.erase(0, end.start());
      co_return end.end() - end.start();
    }
    if (state == gateway::HeadEnd::State::kBareLineFeed || from->pending.size() > limit) co_return 0;
    if (!co_await read_more(from)) co_return 0;
  }
}

asio::awaitable<bool> Session::exchange() {
  patient_for(kIdle);
  const auto size = co_await read_head(&client_, kLongestCall);
  if (size == 0) co_return false;
  const std::string bytes = client_.pending.substr(0, size);
  client_.pending.erase(0, size);
  gateway::RequestHead head;
  if (const auto bad = gateway::parse_request(bytes, head))
    co_return co_await say(bad->status, "engine-call-refused", bad->why);
  auto call = read_call(head.method, head.target, needs_.rules);
  if (!call) co_return co_await say(403, call.error().reason, call.error().message);
  const bool empty = head.framing.kind == Framing::Kind::kNone ||
                     (head.framing.kind == Framing::Kind::kLength && head.framing.length == 0);
  if (call->body == Body::kNone && !empty)
    co_return co_await say(403, "engine-call-refused", "The privileged half refuses a body here.");
  std::string body;
  if (call->body == Body::kJson) {
    auto text = co_await read_body(head.framing);
    if (!text) co_return co_await say(413, "engine-call-refused", "The privileged half refuses so long a body.");
    auto read = guard::read_body(*call, *text, needs_.rules);
    if (!read) co_return co_await say(403, read.error().reason, read.error().message);
    body = std::move(*read);
  }
  auto good = co_await judge(&*call);
  if (!good && good.error().code == Code::kForbidden)
    co_return co_await say(403, good.error().reason, good.error().message);
  if (!good) co_return co_await say(503, good.error().reason, good.error().message);
  if (!co_await reach_engine(call->effect == Effect::kStarts))
    co_return co_await say(503, "engine-away", "The engine does not answer.");
  std::string opening = call_head(head.method, head.target, *call, head.framing, body.size()) + body;
  co_return co_await pass(std::move(*call), head.framing, std::move(opening));
}

/// Whether all that the call names is ours; what starts machines waits for the firewall table.
asio::awaitable<Result<>> Session::judge(Call* call) {
  for (const auto& thing : call->named) {
    auto mine = co_await needs_.owners.check(thing);
    if (!mine) co_return mine;
  }
  if (call->effect == Effect::kStarts) co_return co_await needs_.isolated();
  co_return Result<>{};
}

/// An engine that has been told to end closes its door first and serves those who are inside to the last: what must not
/// happen then comes in `anew`.
asio::awaitable<bool> Session::reach_engine(bool anew) {
  if (engine_.transport && !anew && engine_.pending.empty() && engine_.transport->quiet()) co_return true;
  if (engine_.transport) engine_.transport->close();
  engine_ = {};
  auto socket = co_await http::dial({needs_.engine, {}, 0}, std::chrono::steady_clock::now() + kDials);
  if (!socket) co_return false;
  engine_.transport = std::make_shared<http::Transport>(std::move(*socket));
  co_return true;
}

asio::awaitable<bool> Session::pass(Call call, Framing framing, std::string opening) {
  using namespace asio::experimental::awaitable_operators;
  patient_for(kAnswers);
  const auto engine = engine_.transport;
  if (co_await engine->write_all(opening)) co_return false;
  // An engine that refuses an archive says so before it has read all of it: the answer tells.
  const bool sent = call.body != Body::kArchive || co_await pass_body(&client_, &engine_, framing);
  auto ended = co_await (answer(&call) || client_gone());
  const auto then = ended.index() == 0 ? std::get<0>(ended) : Then::kEnds;
  if (then == Then::kBothWays) co_await both_ways();
  if (call.effect == Effect::kRemoves) {
    for (const auto& thing : call.named) needs_.owners.gone(thing);
  }
  co_return then == Then::kGoesOn&& sent;
}

asio::awaitable<void> Session::client_gone() {
  while (client_.pending.size() < kLongestCall && co_await read_more(&client_)) {}
  // One that sends more than a call before it has its answer waits until then.
  if (client_.pending.size() < kLongestCall) co_return;
  co_await forever();
}

asio::awaitable<Session::Then> Session::answer(const Call* call) {
  const auto size = co_await read_head(&engine_, kLongestAnswerHead);
  if (size == 0) co_return Then::kEnds;
  const std::string bytes = engine_.pending.substr(0, size);
  engine_.pending.erase(0, size);
  gateway::ResponseHead head;
  if (gateway::parse_response(bytes, false, head)) co_return Then::kEnds;
  if (head.status / 100 == 2) {
    for (const auto& thing : call->made) needs_.owners.made(thing);
  }
  const auto client = client_.transport;
  if (co_await client->write_all(answer_head(head, head.framing))) co_return Then::kEnds;
  const bool open_ended = head.framing.kind == Framing::Kind::kUntilClose;
  if (call->effect == Effect::kHijacks && (head.status == 101 || open_ended)) co_return Then::kBothWays;
  const bool whole = co_await pass_body(&engine_, &client_, head.framing);
  if (!head.persistent()) engine_.transport->close();
  co_return whole && !open_ended ? Then::kGoesOn : Then::kEnds;
}

asio::awaitable<bool> Session::pass_body(Side* from, Side* to, Framing framing) {
  gateway::BodyFilter filter;
  filter.begin(framing);
  while (!filter.done()) {
    if (from->pending.empty() && !co_await read_more(from)) co_return filter.ended_by_close();
    const auto step = filter.filter(from->pending.data(), from->pending.size(), from->pending.data());
    if (!step.valid) co_return false;
    const auto target = to->transport;
    if (step.produced > 0 && co_await target->write_all({from->pending.data(), step.produced})) co_return false;
    from->pending.erase(0, step.consumed);
    if (std::chrono::steady_clock::now() - patient_since_ > kAgain) patient_for(kAnswers);
  }
  co_return true;
}

asio::awaitable<std::optional<std::string>> Session::read_body(Framing framing) {
  std::string body;
  gateway::BodyFilter filter;
  filter.begin(framing, true);
  while (!filter.done()) {
    if (client_.pending.empty() && !co_await read_more(&client_)) co_return std::nullopt;
    const auto step = filter.filter(client_.pending.data(), client_.pending.size(), client_.pending.data());
    body.append(client_.pending, 0, step.produced);
    client_.pending.erase(0, step.consumed);
    if (!step.valid || body.size() > kLongestBody) co_return std::nullopt;
  }
  co_return body;
}

asio::awaitable<void> Session::pump(Side* from, Side* to) {
  const auto target = to->transport;
  while (!from->pending.empty() || co_await read_more(from)) {
    if (co_await target->write_all(from->pending)) co_return;
    from->pending.clear();
    if (std::chrono::steady_clock::now() - patient_since_ > kAgain) patient_for(kAnswers);
  }
  target->shutdown_write();
}

/// A command's connection: until it says no more. One side may fall silent for good before the other.
asio::awaitable<void> Session::both_ways() {
  using namespace asio::experimental::awaitable_operators;
  const auto to_the_end = [](Session* self) -> asio::awaitable<void> {
    co_await self->pump(&self->client_, &self->engine_);
    co_await forever();
  };
  co_await (pump(&engine_, &client_) || to_the_end(this));
}

asio::awaitable<bool> Session::say(int status, std::string_view reason, std::string_view message) {
  log::warn("privileged", "a call of the engine was refused",
            {{"reason", reason}, {"message", std::string(message.substr(0, 300))}});
  const auto body = boost::json::serialize(boost::json::object{{"message", message}});
  const auto client = client_.transport;
  co_await client->write_all(
      fmt::format("HTTP/1.1 {} Refused\r\nContent-Type: application/json\r\nTiltyard-Reason: {}\r\nContent-Length: "
                  "{}\r\nConnection: close\r\n\r\n{}",
                  status, reason, body.size(), body));
  co_return false;
}

}  // namespace tiltyard::guard
