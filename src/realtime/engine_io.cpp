// The HTTP side of Engine.IO: who may open a session, and which request belongs to which.
#include "realtime/engine_io.h"

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include <algorithm>

#include "base/id.h"
#include "base/text.h"
#include "net/hosts.h"
#include "net/text.h"
#include "net/websocket.h"
#include "realtime/engine_session.h"

namespace tiltyard::realtime::engine_io {
namespace {

using http::Access;
using http::Request;
using http::Response;
using StatePtr = std::shared_ptr<Server::State>;

constexpr std::size_t kMostOrigin = 255;

enum class Origin { kOurs, kAllowed, kForeign };

/// Other programs than browsers say no Origin.
Origin origin_of(const Options& options, const Request& request) {
  const auto origin = request.headers.get("Origin");
  if (origin.empty()) return Origin::kOurs;
  if (http::same_origin(request.headers, request.secure)) return Origin::kOurs;
  const bool allowed =
      origin.size() <= kMostOrigin && std::ranges::any_of(options.origins, [&](const std::string& one) {
        return one == "*" || same_text(one, origin);
      });
  return allowed ? Origin::kAllowed : Origin::kForeign;
}

/// CORS for pages of allowed origins. Without credentials: a cookie of ours is never sent along, such pages bring a
/// token.
void allow_origin(const Options& options, const Request& request, Response& response) {
  if (request.headers.has("Origin")) response.headers.set("Vary", "Origin");
  if (origin_of(options, request) != Origin::kAllowed) return;
  response.headers.set("Access-Control-Allow-Origin", std::string(request.headers.get("Origin")));
}

}  // namespace

/// The numbers are those of the reference server.
Response refusal(int code, std::string_view message) {
  return Response::json(code == 4 ? 403 : 400, fmt::format(R"({{"code":{},"message":"{}"}})", code, message));
}

std::string Server::State::open_packet(const std::string& id, bool may_upgrade) const {
  return fmt::format(R"(0{{"sid":"{}","upgrades":[{}],"pingInterval":{},"pingTimeout":{},"maxPayload":{}}})", id,
                     may_upgrade ? R"("websocket")" : "", options.ping_interval.count(), options.ping_timeout.count(),
                     options.max_payload);
}

SessionRef Server::State::open(Opening opening, Admission admission) {
  auto session = std::make_shared<Session>(shared_from_this(), random_hex(16), std::move(admission));
  sessions.emplace(session->id(), session);
  session->set_user(accept(session, std::move(opening)));
  return session;
}

namespace {

/// The session a request names, if it names one; null in it: there is none.
std::optional<SessionRef> named_session(const Server::State& state, const Request& request) {
  const auto id = request.query_value("sid");
  if (id.empty()) return std::nullopt;
  const auto found = state.sessions.find(id);
  return found == state.sessions.end() ? nullptr : found->second;
}

asio::awaitable<void> carry(StatePtr state, SessionRef session, std::shared_ptr<http::WebSocket> socket) {
  // More when it has become the session's own, and whose the session is is known.
  const http::FrameLimits limits{state->options.strangers_payload, state->options.backlog};
  auto frames = co_await http::take_frames(std::move(socket), limits);
  if (frames) connect_socket(state->home, std::move(session), std::move(frames));
}

Response socket_answer(StatePtr state, SessionRef session) {
  Response response;
  response.websocket = [state, session = std::move(session)](std::shared_ptr<http::WebSocket> socket) {
    return carry(state, session, std::move(socket));
  };
  return response;
}

/// An address that cannot be read is everybody's whose cannot be.
net::Holder holder_at(const std::string& address) {
  boost::system::error_code error;
  const auto read = asio::ip::make_address(address, error);
  return error ? net::holder_of(std::string_view("unknown")) : net::holder_of(read);
}

std::unexpected<Error> no_room(const net::Shares& places) {
  if (places.full())
    return fail(Code::kUnavailable, "too-many-connections", "The server has no room for another real-time connection.");
  return fail(Code::kLimited, "too-many-connections",
              "Too many real-time connections of this address are open; sign in, or close some.");
}

asio::awaitable<Result<Response>> open_session(StatePtr state, Request request, bool with_socket) {
  if (state->closed) co_return fail(Code::kUnavailable, "shutting-down", "The server is shutting down.");
  Admission admission;
  admission.address = holder_at(request.client_address);
  admission.place = state->places.take(admission.address);
  if (!admission.place) co_return no_room(state->places);
  Opening opening;
  opening.address = request.client_address;
  auto who = co_await state->greet(std::move(request));
  if (!who) co_return fail(std::move(who.error()));
  if (!who->known) admission.stranger = state->strangers.take(admission.address);
  if (!who->known && !admission.stranger) co_return no_room(state->strangers);
  opening.greeting = std::move(who->opaque);
  auto session = state->open(std::move(opening), std::move(admission));
  if (with_socket) {
    session->expect_socket();
    co_return socket_answer(state, std::move(session));
  }
  Response response = Response::text(200, state->open_packet(session->id(), true));
  response.headers.set("Cache-Control", "no-store");
  co_return response;
}

asio::awaitable<Result<Response>> get(StatePtr state, Request request) {
  if (request.query_value("EIO") != "4") co_return refusal(5, "Unsupported protocol version");
  const auto transport = request.query_value("transport");
  const bool socket = transport == "websocket";
  if (!socket && transport != "polling") co_return refusal(0, "Transport unknown");
  if (socket != http::wants_websocket(request)) co_return refusal(3, "Bad request");
  const auto named = named_session(*state, request);
  if (!named) co_return co_await open_session(state, std::move(request), socket);
  if (!*named) {
    const auto gone = state->farewells.find(request.query_value("sid"));
    if (socket || gone == state->farewells.end()) co_return refusal(1, "Session ID unknown");
    const auto session = gone->second;
    co_return session->last_words();
  }
  // A second socket for a session is let in and told: whoever opened it hears why.
  if (socket) co_return socket_answer(state, *named);
  if (!(*named)->polls()) co_return refusal(3, "Bad request");
  co_return co_await (*named)->poll();
}

asio::awaitable<Result<Response>> post(StatePtr state, Request request) {
  if (request.query_value("EIO") != "4") co_return refusal(5, "Unsupported protocol version");
  if (request.query_value("transport") != "polling") co_return refusal(0, "Transport unknown");
  const auto named = named_session(*state, request);
  if (!named) co_return refusal(2, "Bad handshake method");
  if (!*named) co_return refusal(1, "Session ID unknown");
  if (!(*named)->polls()) co_return refusal(3, "Bad request");
  co_return (*named)->take_payload(request.body);
}

asio::awaitable<Result<Response>> put(StatePtr, Request) { co_return refusal(2, "Bad handshake method"); }

/// The browser's question before a page of another origin may send a header of its own (Fetch, "CORS protocol").
asio::awaitable<Result<Response>> preflight(StatePtr, Request) {
  Response response = Response::empty(204);
  response.headers.set("Access-Control-Allow-Methods", "GET, POST");
  response.headers.set("Access-Control-Allow-Headers", "Authorization, Content-Type");
  response.headers.set("Access-Control-Max-Age", "600");
  co_return response;
}

using Answer = asio::awaitable<Result<Response>> (*)(StatePtr, Request);

asio::awaitable<Result<Response>> checked(StatePtr state, Request request, Answer answer) {
  if (origin_of(state->options, request) == Origin::kForeign)
    co_return refusal(4, "Forbidden: pages of this origin may not connect");
  Response marks;
  allow_origin(state->options, request, marks);
  auto work = answer(state, std::move(request));
  auto response = co_await std::move(work);
  if (!response) co_return response;
  for (const auto& [name, value] : marks.headers) response->headers.set(name, value);
  co_return response;
}

}  // namespace

Server::Server(asio::any_io_executor home, Options options, Greet greet, Accept accept)
    : state_(std::make_shared<State>(std::move(home), std::move(options), std::move(greet), std::move(accept))) {}

Server::~Server() { close(); }

void Server::add_routes(house::Routes& routes, const std::string& path) {
  const auto add = [&](std::string method, Answer answer, house::Body body) {
    auto handler = [state = state_, answer](Request request) { return checked(state, std::move(request), answer); };
    routes.add(std::move(method), path, {house::Access::kOpen}, {"realtime-open"}, std::move(handler), std::move(body));
  };
  const auto takes = [state = state_](const Request& request) -> Result<std::size_t> {
    const auto named = named_session(*state, request);
    return named && *named ? (*named)->may_send() : state->options.strangers_payload;
  };
  add("GET", get, 0);
  add("POST", post, {state_->options.max_payload, takes});
  add("PUT", put, state_->options.strangers_payload);
  add("OPTIONS", preflight, 0);
}

std::size_t Server::sessions() const { return state_->sessions.size(); }

void Server::close() {
  state_->closed = true;
  const auto all = state_->sessions;
  for (const auto& [id, session] : all) session->close("server shutting down");
  state_->farewells.clear();
}

}  // namespace tiltyard::realtime::engine_io
