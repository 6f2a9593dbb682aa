#include "realtime/realtime.h"

#include "base/id.h"
#include "observe/log.h"
#include "realtime/rooms.h"

namespace tiltyard::realtime {
namespace {

constexpr std::size_t kLongestToken = 512;

std::string bounded_text(const json::object& object, std::string_view name, std::size_t longest) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string() || value->get_string().size() > longest) return {};
  return std::string(value->get_string());
}

engine_io::Options engine_options(const Options& from) {
  engine_io::Options options;
  options.ping_interval = from.ping_interval;
  options.ping_timeout = from.ping_timeout;
  options.max_payload = from.max_payload;
  options.backlog = from.backlog;
  options.max_sessions = from.max_connections;
  options.sessions_per_address = from.connections_per_address;
  options.budget = from.budget;
  options.origins = from.origins;
  return options;
}

/// What the handshake tells the namespace.
struct Greeting {
  Who who;  ///< empty: it must still say who it is
  std::string address;
};

const Greeting& greeting_of(const socket_io::Socket& socket) {
  return *static_cast<const Greeting*>(socket.greeting().get());
}

}  // namespace

Service::State::State(Options o, Parts p)
    : options(std::move(o)),
      parts(p),
      news(parts.home),
      rights(parts.home),
      node(random_hex(8)),
      people_changed(parts.home) {}

asio::awaitable<Result<engine_io::Greeting>> Service::State::greet(http::Request request) {
  auto greeting = std::make_shared<Greeting>();
  greeting->address = request.client_address;
  if (!request.headers.has("Authorization") && !request.headers.has("Cookie"))
    co_return engine_io::Greeting{std::move(greeting), false};
  auto who = co_await identify(std::move(request));
  // A cookie of a session that has ended is no reason to refuse a token that comes later; what is wrong is told then.
  if (!who && who.error().code != Code::kUnauthenticated) co_return fail(std::move(who.error()));
  if (who) greeting->who = std::move(*who);
  const bool known = greeting->who != nullptr;
  co_return engine_io::Greeting{std::move(greeting), known};
}

asio::awaitable<Result<Who>> Service::State::identify(http::Request request) {
  // What it takes to connect; each room has rules of its own.
  constexpr house::Rights kToConnect{house::Access::kSignedIn, house::Scope::kRead, house::Whose::kSelf};
  auto allowed = co_await parts.identity.authorise(request, kToConnect);
  if (!allowed) co_return fail(std::move(allowed.error()));
  co_return std::any_cast<Who>(request.principal);
}

asio::awaitable<Result<Who>> Service::State::who_is(socket_io::SocketRef socket, const json::object& auth) {
  const auto& greeting = greeting_of(*socket);
  std::string token = bounded_text(auth, "token", kLongestToken);
  if (token.empty()) {
    if (greeting.who) co_return greeting.who;
    co_return fail(Code::kUnauthenticated, "not-signed-in",
                   "Sign in, or send a token: io(url, {auth: {token: \"ty_...\"}}).");
  }
  http::Request request;
  request.remote_address = greeting.address;
  request.headers.set("Authorization", "Bearer " + token);
  co_return co_await identify(std::move(request));
}

limits::Caller Service::State::caller_of(const Member& member) const {
  limits::Caller caller;
  caller.user = member.who->user.str();
  caller.team = member.who->owner();
  caller.token = member.who->session;
  caller.address = caller.name = member.address;
  // As for requests: the admin token works for scripts.
  if (member.who->kind == "service") caller.factor = 10;
  return caller;
}

asio::awaitable<Result<json::object>> Service::State::admit(socket_io::SocketRef socket, json::object auth) {
  auto who = co_await who_is(socket, auth);
  if (!who) co_return fail(std::move(who.error()));
  auto member = std::make_shared<Member>();
  member->socket = socket;
  member->who = std::move(*who);
  member->address = greeting_of(*socket).address;
  auto charged = co_await parts.limits.charge("realtime-connect", caller_of(*member));
  if (!charged) co_return fail(std::move(charged.error()));
  if (per_user[member->who->user.str()] >= options.connections_per_user) {
    co_return fail(Code::kLimited, "limit-reached", "Too many connections of yours are open already; close one.");
  }
  ++per_user[member->who->user.str()];
  socket->channel().count_for(net::holder_of(std::string_view(member->who->user.str())));
  members.emplace(socket.get(), member);
  const auto pid = bounded_text(auth, "pid", 64);
  const auto offset = bounded_text(auth, "offset", 64);
  std::optional<Recovered> found;
  if (!pid.empty()) found = co_await recover(member->who, pid, offset);
  member->pid = found ? pid : random_hex(16);
  if (found) arriving.emplace(socket.get(), std::make_shared<Recovered>(std::move(*found)));
  co_return json::object{{"pid", member->pid}};
}

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(std::move(options), parts)) {
  auto& state = *state_;
  state.sockets = std::make_unique<socket_io::Server>(parts.home, socket_io::Options{});
  state.sockets->add("/", state);
  auto greet = [weak = std::weak_ptr(state_)](http::Request request) -> asio::awaitable<Result<engine_io::Greeting>> {
    const auto alive = weak.lock();
    return alive->greet(std::move(request));
  };
  auto accept = [sockets = state.sockets.get()](ChannelRef channel, engine_io::Opening opening) {
    return sockets->accept(std::move(channel), std::move(opening.greeting));
  };
  state.engine = std::make_unique<engine_io::Server>(parts.home, engine_options(state.options), std::move(greet),
                                                     std::move(accept));
}

Service::~Service() = default;

void Service::add(RoomKind kind) {
  auto name = kind.name;
  state_->kinds.insert_or_assign(std::move(name), std::move(kind));
}

void Service::add_routes(house::Routes& routes) { state_->engine->add_routes(routes, "/socket.io/"); }

asio::awaitable<Result<>> Service::start() {
  const auto state = state_;
  struct Begin {
    std::string epoch;
    Position at;
  };
  auto work = [fresh = random_hex(4)](soci::session& session) -> Result<Begin> {
    return Begin{sql::epoch(session, fresh), sql::ends(session)};
  };
  auto begin = co_await state->parts.store.write(std::move(work));
  if (!begin) co_return fail(std::move(begin.error()));
  state->epoch = begin->epoch;
  state->at = begin->at;
  state->subscription =
      state->parts.bus.subscribe([raw = state.get()](const bus::Event& event) { raw->tell_passing(event); });
  if (auto connected = state->connect_nodes(); !connected) co_return connected;
  state->gate.spawn(state->parts.home, "follow the log", state->follow());
  state->gate.spawn(state->parts.home, "watch rights", state->watch_rights());
  co_return Result<>{};
}

void Service::disconnect() { state_->engine->close(); }

asio::awaitable<void> Service::close() {
  const auto state = state_;
  state->subscription.reset();
  state->engine->close();
  co_await state->sockets->close();
  co_await state->gate.close();
  if (state->listener) co_await state->listener->close();
  if (state->speaker) co_await state->speaker->close();
}

}  // namespace tiltyard::realtime
