#include "app/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <ranges>

#include "apart/capability.h"
#include "app/assets.h"
#include "app/event_kinds.h"
#include "app/events.h"
#include "app/health.h"
#include "app/measured.h"
#include "app/node.h"
#include "app/page.h"
#include "app/secure.h"
#include "bus/bus.h"
#include "bus/event_log.h"
#include "engine/docker/docker_engine.h"
#include "engine/fake/fake_engine.h"
#include "gateway/gateway.h"
#include "house/checks.h"
#include "house/ground.h"
#include "identity/address.h"
#include "jobs/jobs.h"
#include "net/server.h"
#include "observe/log.h"
#include "privileged/caller.h"
#include "store/identity.h"
#include "store/store.h"

namespace tiltyard::app {
namespace {

namespace fs = std::filesystem;

std::string absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

bus::Event server_event(bus::KindRef kind, const Clock& clock) {
  bus::Event event;
  event.kind = kind;
  event.at = clock.now();
  event.detail = fmt::format(R"({{"version":"{}"}})", TILTYARD_VERSION);
  return event;
}

/// "10.0.0.5:8000" → "10.0.0.5"; of a URL what stands between its scheme and its path.
std::string host_in(std::string_view text) {
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  return http::host_of_field(text.substr(0, text.find('/')));
}

http::Hosts hosts_of(const house::Site& site) {
  auto names = site.hosts;
  const auto at = host_in(site.listen);
  const bool everywhere = at == "0.0.0.0" || at == "::";
  if (!everywhere) names.push_back(at);
  if (!site.public_url.empty()) names.push_back(host_in(site.public_url));
  return {names, everywhere, site.public_url};
}

/// The engine's socket is as good as root: a server without rights gets to the one that its privileged half holds out.
engine::Options as_seen_from_here(engine::Options options, const privileged::Options& privileged) {
  if (privileged.apart() && options.url.starts_with("unix://"))
    options.url = "unix://" + privileged::whole(privileged.engine_socket);
  return options;
}

/// The way of a request past all doors: the first that refuses is the answer.
asio::awaitable<Result<>> pass(const house::Doors* doors, http::Request* request, const http::Route* route) {
  for (const auto& filter : doors->filters) {
    auto work = filter(*request, *route);
    auto allowed = co_await std::move(work);
    if (!allowed) co_return allowed;
  }
  co_return Result<>{};
}

}  // namespace

/// Declared in the order of construction: what comes later may use what comes earlier, and goes first.
struct Server::Floors {
  SystemClock clock;
  tls::Certificates certificates{clock};
  bus::Kinds kinds;
  bus::Bus bus;
  WorkerPool files{"files", 1};
  WorkerPool hashing{"hashing", 2};
  int lock = -1;  ///< of data/lock: one server per data folder
  std::unique_ptr<store::Store> store;
  std::string identity;  ///< of this server, as its store knows it
  std::unique_ptr<bus::EventLog> events;
  std::unique_ptr<jobs::Service> jobs;
  engine::Engines engines;
  std::unique_ptr<Secure> secure;
  /// What the gateway hands connections to that ask for the page's name; null: it is not open.
  std::atomic<std::shared_ptr<http::Server>> page;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<gateway::PortLanes> lanes;
  std::unique_ptr<bus::Redis> redis;
  std::unique_ptr<limits::Service> limits;
  std::shared_ptr<net::Budget> budget;
  std::unique_ptr<house::Ground> ground;
  std::unique_ptr<http::Router> router;
  std::unique_ptr<house::Routes> routes;
  std::shared_ptr<http::Server> http;
  bool recorded = false;  ///< that the server has started

  ~Floors() {
    if (lock >= 0) ::close(lock);
  }
};

Server::Server(std::unique_ptr<Settings> settings, net::Loops& loops)
    : settings_(std::move(settings)), loops_(loops), floors_(std::make_unique<Floors>()) {}

Server::~Server() {
  // The doors and the routes hold on to the capabilities, and those to the floors.
  floors_->page.store(nullptr);
  floors_->http.reset();
  floors_->router.reset();
  while (!settings_->capabilities.empty()) settings_->capabilities.pop_back();
}

Result<> Server::open_store() {
  std::error_code error;
  fs::create_directories(settings_->site.data, error);
  if (error) {
    return fail(Code::kInternal, "data-unwritable",
                fmt::format("The data folder {} cannot be made: {}", settings_->site.data, error.message()));
  }
  fs::permissions(settings_->site.data, fs::perms::owner_all, error);
  const auto lock_file = settings_->site.data + "/lock";
  floors_->lock = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (floors_->lock < 0 || ::flock(floors_->lock, LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::kConflict, "data-in-use",
                fmt::format("Another server uses the data folder {}; stop it first.", settings_->site.data));
  }
  auto store = store::open(settings_->store.url);
  if (!store) return fail(std::move(store.error()));
  floors_->store = std::move(*store);
  auto all = house::migrations_of(settings_->capabilities, {{"bus", bus::migrations()}, {"jobs", jobs::migrations()}});
  if (!all) return fail(std::move(all.error()));
  if (auto migrated = floors_->store->migrate(*all); !migrated) return migrated;
  // The lock of the data folder keeps a second server off this machine; this keeps one of another machine from taking
  // our instances for dead because its engine does not have them.
  return floors_->store->claim([this] {
    replaced_ = true;
    ::kill(::getpid(), SIGTERM);
  });
}

Result<> Server::make_engines() {
  auto& engines = floors_->engines;
  const auto& apart = settings_->of<apart::Capability>().options();
  for (const auto& [name, options] : settings_->engines.all()) {
    auto engine = engine::make(loops_.home(), name, as_seen_from_here(options, apart), floors_->identity,
                               absolute(settings_->site.data));
    if (!engine) return fail(std::move(engine.error()));
    if (auto* docker = dynamic_cast<engine::DockerEngine*>(engine->get()); docker != nullptr && apart.apart())
      docker->isolated_by(privileged::Caller(privileged::whole(apart.socket)));
    engines.add(name, std::move(*engine), options.terms);
  }
  engines.make_new_on(settings_->engines.chosen);
  return {};
}

Result<> Server::make_limits() {
  auto& floors = *floors_;
  if (!settings_->redis.url.empty()) {
    bus::RedisOptions options;
    options.url = settings_->redis.url;
    auto redis = bus::Redis::open(loops_.home(), std::move(options));
    if (!redis) return fail(std::move(redis.error()));
    floors.redis = std::move(*redis);
  }
  auto options = settings_->limits;
  auto limiters = house::limiters_of(settings_->capabilities, limits::standard_limiters());
  if (!limiters) return fail(std::move(limiters.error()));
  options.limiters = std::move(*limiters);
  options.prefix = settings_->redis.prefix;
  floors.limits =
      std::make_unique<limits::Service>(loops_.home(), std::move(options), *floors.store, floors.redis.get());
  return {};
}

/// What the capabilities stand on, from the store up. Nothing of it is at work yet but the store.
asio::awaitable<Result<>> Server::build_floors() {
  if (auto named = house::check_names(settings_->capabilities); !named) co_return named;
  auto& floors = *floors_;
  if (auto metrics = measured(settings_->capabilities); !metrics) co_return fail(std::move(metrics.error()));
  auto kinds = kinds_of(settings_->capabilities);
  if (!kinds) co_return fail(std::move(kinds.error()));
  floors.kinds = std::move(*kinds);
  if (auto opened = open_store(); !opened) co_return opened;
  auto identity = co_await store::server_identity(*floors.store);
  if (!identity) co_return fail(std::move(identity.error()));
  floors.identity = std::move(*identity);
  if (auto made = make_engines(); !made) co_return made;
  floors.events = std::make_unique<bus::EventLog>(loops_.home(), *floors.store, floors.clock);
  auto node = node_name(settings_->site.data);
  if (!node) co_return fail(std::move(node.error()));
  jobs::Options options;
  options.node = std::move(*node);
  floors.jobs =
      std::make_unique<jobs::Service>(std::move(options), jobs::Parts{loops_.home(), *floors.store, floors.clock});
  auto proxies = identity::Networks::parse(settings_->site.trusted_proxies);
  if (!proxies) co_return fail(std::move(proxies.error()));
  auto gateway_options = settings_->gateway;
  gateway_options.is_proxy = [proxies = std::move(*proxies)](const asio::ip::address& peer) {
    return proxies.contains(peer);
  };
  floors.secure = std::make_unique<Secure>(*settings_, floors.certificates, floors.files);
  if (auto ready = floors.secure->prepare(); !ready) co_return ready;
  floors.secure->add_to(gateway_options);
  gateway_options.to_page = [&page = floors.page](std::size_t loop, int socket, const asio::ip::address& from,
                                                  std::string read) {
    if (const auto server = page.load()) server->take(loop, socket, from, std::move(read));
    else ::close(socket);
  };
  floors.gateway = std::make_unique<gateway::Gateway>(loops_, std::move(gateway_options));
  floors.lanes =
      std::make_unique<gateway::PortLanes>(settings_->gateway.first_port, settings_->gateway.last_port,
                                           [gateway = floors.gateway.get()](std::uint16_t port, Transport transport) {
                                             return gateway->port_free(port, transport);
                                           });
  if (auto made = make_limits(); !made) co_return made;
  floors.budget = std::make_shared<net::Budget>(settings_->site.buffers);
  floors.ground = std::unique_ptr<house::Ground>(new house::Ground{settings_->site,
                                                                   settings_->redis,
                                                                   settings_->store,
                                                                   loops_.home(),
                                                                   floors.clock,
                                                                   floors.bus,
                                                                   floors.kinds,
                                                                   *floors.events,
                                                                   floors.redis.get(),
                                                                   *floors.store,
                                                                   *floors.jobs,
                                                                   floors.engines,
                                                                   *floors.gateway,
                                                                   *floors.lanes,
                                                                   *floors.limits,
                                                                   floors.certificates,
                                                                   floors.budget,
                                                                   floors.files,
                                                                   floors.hashing,
                                                                   absolute(settings_->site.data),
                                                                   floors.identity,
                                                                   TILTYARD_VERSION,
                                                                   asset,
                                                                   [this] { return local_url(); },
                                                                   settings_->capabilities,
                                                                   {},
                                                                   {}});
  co_return Result<>{};
}

asio::awaitable<Result<>> Server::compose() {
  auto built = co_await build_floors();
  if (!built) co_return built;
  for (const auto& one : settings_->capabilities) {
    if (auto made = one->make(*floors_->ground); !made) co_return made;
  }
  co_return Result<>{};
}

Result<> Server::declare_routes() {
  auto& floors = *floors_;
  floors.router = std::make_unique<http::Router>(loops_.home());
  floors.routes = std::make_unique<house::Routes>(*floors.router);
  auto& routes = *floors.routes;
  for (const auto& one : settings_->capabilities) {
    routes.begin(one->name());
    one->routes(routes);
  }
  routes.begin("server");
  const auto& site = settings_->site;
  const bool alone = site.public_url.empty() && site.trusted_proxies.empty();
  add_server_routes(routes, {*floors.store, floors.engines, site.metrics_token, alone, started_});
  if (auto sound = house::check_routes(routes); !sound) return sound;
  floors.router->set_fallback(page);
  const auto* doors = &floors.ground->doors;
  floors.router->set_guard(doors->guard);
  floors.router->set_watch(doors->watch);
  floors.router->set_callers(doors->callers);
  floors.router->set_filter(
      [doors](http::Request& request, const http::Route& route) { return pass(doors, &request, &route); });
  return {};
}

const house::Routes& Server::routes() const { return *floors_->routes; }

asio::awaitable<Result<>> Server::start() {
  auto composed = co_await compose();
  if (!composed) co_return composed;
  auto& floors = *floors_;
  floors.engines.run();
  for (const auto& [name, engine] : floors.engines.all()) {
    if (auto print = co_await engine->fingerprint()) {
      log::info("engine", "engine found",
                {{"name", name}, {"kind", print->kind}, {"version", print->version}, {"api", print->api_version}});
    } else {
      log::warn("engine", "an engine is away; going on without it until it is back",
                {{"name", name}, {"message", print.error().message}, {"cause", print.error().cause}});
    }
  }
  floors.secure->run(loops_.home());
  if (auto bound = floors.gateway->start(); !bound) co_return bound;
  if (auto declared = declare_routes(); !declared) co_return declared;
  auto noted = co_await bus::record(*floors.store, server_event(events::kStarted, floors.clock));
  if (!noted) co_return noted;
  floors.recorded = true;
  floors.events->run();
  for (const auto& one : settings_->capabilities) {
    auto started = co_await one->start();
    if (!started) co_return started;
  }
  auto working = co_await floors.jobs->start();
  if (!working) co_return working;
  http::ServerOptions options;
  options.listen = settings_->site.listen;
  options.max_connections = settings_->site.max_connections;
  options.connections_per_address = settings_->site.connections_per_address;
  options.budget = floors.budget;
  options.out_of_descriptors = [this] {
    asio::post(loops_.home(), [this] { floors_->events->note(server_event(events::kShort, floors_->clock)); });
  };
  options.tls = floors.secure->context();
  options.tls_at_listen = !settings_->site.tls_certificate.empty();
  options.hosts = hosts_of(settings_->site);
  floors.http = std::make_shared<http::Server>(loops_, *floors.router, options);
  if (auto listening = floors.http->start(); !listening) co_return listening;
  floors.page.store(floors.http);
  for (const auto& one : settings_->capabilities) {
    auto opened = co_await one->open();
    if (!opened) co_return opened;
  }
  started_->store(true);
  if (!floors.ground->first_link.empty()) sign_in_link_ = url() + "/signin#" + floors.ground->first_link;
  co_return Result<>{};
}

std::string Server::url() const {
  return settings_->site.public_url.empty() ? local_url() : settings_->site.public_url;
}

std::string Server::local_url() const {
  const auto& listen = settings_->site.listen;
  const auto host = listen.substr(0, listen.rfind(':'));
  const bool everywhere = host == "0.0.0.0" || host == "[::]";
  return fmt::format("{}://{}:{}", settings_->site.tls_certificate.empty() ? "http" : "https",
                     everywhere ? "127.0.0.1" : host, floors_->http ? floors_->http->port() : 0);
}

asio::awaitable<void> Server::stop() {
  auto& floors = *floors_;
  for (const auto& one : settings_->capabilities) co_await one->drain();
  if (floors.secure) co_await floors.secure->close();
  if (floors.http) co_await floors.http->stop(std::chrono::seconds{2});
  if (floors.jobs) co_await floors.jobs->close();
  for (const auto& one : std::views::reverse(settings_->capabilities)) co_await one->close();
  if (floors.gateway) co_await floors.gateway->stop(std::chrono::milliseconds{500});
  co_await floors.engines.close();
  if (floors.limits) co_await floors.limits->close();
  if (floors.redis) co_await floors.redis->close();
  if (floors.events) co_await floors.events->close();
  if (floors.recorded) {
    auto noted = co_await bus::record(*floors.store, server_event(events::kStopped, floors.clock));
    if (!noted) log::warn("app", "the end could not be recorded", {{"reason", noted.error().reason}});
  }
  if (floors.store) floors.store->close();
}

}  // namespace tiltyard::app
