#include "app/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "app/assets.h"
#include "app/event_kinds.h"
#include "app/farm_outside.h"
#include "app/health.h"
#include "app/limits.h"
#include "app/node.h"
#include "app/page.h"
#include "app/people.h"
#include "app/realtime.h"
#include "app/records.h"
#include "base/gate.h"
#include "bus/bus.h"
#include "bus/event_log.h"
#include "engine/docker/docker_engine.h"
#include "engine/fake/fake_engine.h"
#include "farm/farm.h"
#include "features/features.h"
#include "flags/step.h"
#include "gateway/gateway.h"
#include "identity/identity.h"
#include "jobs/http.h"
#include "labs/http.h"
#include "labs/service.h"
#include "labs/steps.h"
#include "net/server.h"
#include "observe/log.h"
#include "store/identity.h"
#include "store/store.h"
#include "templates/templates.h"

namespace tiltyard::app {
namespace {

namespace fs = std::filesystem;

gateway::Options gateway_options(const config::Gateway& from) {
  gateway::Options options;
  options.listen = from.listen;
  options.domain = from.domain;
  options.tcp_address = from.tcp_address;
  options.first_port = from.ports.first;
  options.last_port = from.ports.last;
  options.public_host = from.public_host;
  using enum config::PublicScheme;
  options.public_tls = from.public_scheme == kHttps || (from.public_scheme == kAuto && from.public_port == 443);
  options.idle_timeout = from.idle_timeout;
  options.max_connections_per_instance = static_cast<std::size_t>(from.max_connections_per_instance);
  return options;
}

templates::Options template_options(const config::Settings& from) {
  templates::Options options;
  options.path = fs::absolute(from.templates.path).lexically_normal().string();
  options.watch = from.templates.watch;
  options.builds_at_once = from.templates.builds_at_once;
  options.allow_pull = from.templates.allow_pull;
  for (const auto& [id, keys] : from.templates.allow) options.allow[id].keys = keys;
  options.bounds = templates::standard_bounds();
  auto& defaults = options.bounds.defaults;
  auto& ceiling = options.bounds.ceiling;
  defaults.cpus = from.limits.cpus;
  defaults.memory = defaults.memory_swap = static_cast<std::int64_t>(from.limits.memory);
  defaults.pids = from.limits.pids;
  ceiling.cpus = from.limits.max_cpus;
  ceiling.memory = ceiling.memory_swap = static_cast<std::int64_t>(from.limits.max_memory);
  ceiling.pids = from.limits.max_pids;
  return options;
}

labs::Options labs_options(const config::Settings& from) {
  labs::Options options;
  options.prefix = from.engine.name_space;
  options.network_pool = from.network.pool;
  options.machines_per_bridge = static_cast<std::uint32_t>(from.network.shared_size);
  options.spawns_at_once = static_cast<std::size_t>(from.labs.spawns_at_once);
  options.queue_limit = static_cast<std::size_t>(from.labs.queue_limit);
  options.instances_per_owner = static_cast<std::size_t>(from.labs.instances_per_owner);
  options.instances_total = static_cast<std::size_t>(from.labs.instances_total);
  options.fills_at_once = static_cast<std::size_t>(from.labs.fills_at_once);
  options.sweep_interval = from.labs.sweep_interval;
  options.sweep_window = from.labs.sweep_window;
  options.expiry_interval = from.labs.expiry_interval;
  return options;
}

}  // namespace

/// Declared in the order of construction: what comes later may use what comes earlier, and goes first.
struct Server::Parts {
  SystemClock clock;
  bus::Kinds kinds;
  bus::Bus bus;
  WorkerPool files{"files", 1};
  WorkerPool hashing{"hashing", 2};
  int lock = -1;  ///< of data/lock: one server per data folder
  std::unique_ptr<store::Store> store;
  labs::Claimant claimant;
  std::unique_ptr<jobs::Service> jobs;
  std::unique_ptr<engine::Engine> engine;
  Records records;
  std::unique_ptr<gateway::Gateway> gateway;
  std::unique_ptr<gateway::PortLanes> lanes;
  std::unique_ptr<templates::Catalogue> catalogue;
  std::unique_ptr<identity::Service> identity;
  std::unique_ptr<flags::Service> flags;
  std::unique_ptr<labs::Service> labs;
  std::unique_ptr<farm::Service> farm;
  FarmOutside farm_outside;
  std::unique_ptr<features::Service> features;
  std::unique_ptr<bus::Redis> redis;
  std::unique_ptr<limits::Service> limits;
  std::unique_ptr<realtime::Service> realtime;
  std::unique_ptr<http::Router> router;
  std::unique_ptr<http::Server> http;
  Gate gate{"app"};

  ~Parts() {
    if (lock >= 0) ::close(lock);
  }
};

Server::Server(config::Settings settings, net::Loops& loops)
    : settings_(std::move(settings)), loops_(loops), parts_(std::make_unique<Parts>()) {}

Server::~Server() = default;

Result<> Server::open_store() {
  std::error_code error;
  fs::create_directories(settings_.data.path, error);
  if (error) {
    return fail(Code::kInternal, "data-unwritable",
                fmt::format("The data folder {} cannot be made: {}", settings_.data.path, error.message()));
  }
  fs::permissions(settings_.data.path, fs::perms::owner_all, error);
  const auto lock_file = settings_.data.path + "/lock";
  parts_->lock = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (parts_->lock < 0 || ::flock(parts_->lock, LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::kConflict, "data-in-use",
                fmt::format("Another server uses the data folder {}; stop it first.", settings_.data.path));
  }
  auto store = store::open(settings_.store.url);
  if (!store) return fail(std::move(store.error()));
  parts_->store = std::move(*store);
  auto migrations = labs::migrations();
  auto more = identity::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = features::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = limits::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = flags::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = bus::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = jobs::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = notices::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = farm::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  more = realtime::migrations();
  migrations.insert(migrations.end(), more.begin(), more.end());
  if (auto migrated = parts_->store->migrate(migrations); !migrated) return migrated;
  // The lock of the data folder keeps a second server off this machine; this keeps one of another machine from taking
  // our instances for dead because its engine does not have them.
  return parts_->store->claim([this] {
    replaced_ = true;
    ::kill(::getpid(), SIGTERM);
  });
}

Result<> Server::make_engine() {
  const auto& from = settings_.engine;
  if (from.kind == config::EngineKind::kFake) {
    engine::FakeOptions options;
    options.name_space = from.name_space;
    options.server = parts_->claimant.server;
    parts_->engine = std::make_unique<engine::FakeEngine>(loops_.home(), options);
    return {};
  }
  engine::DockerOptions options;
  options.endpoint = from.url;
  options.ca_file = from.tls_ca;
  options.certificate_file = from.tls_certificate;
  options.key_file = from.tls_key;
  options.files_folder = fs::absolute(settings_.data.path).lexically_normal().string();
  options.trust_remote_isolation = from.trust_remote_isolation;
  options.name_space = from.name_space;
  options.server = parts_->claimant.server;
  auto engine = engine::DockerEngine::make(loops_.home(), std::move(options));
  if (!engine) return fail(std::move(engine.error()));
  parts_->engine = std::move(*engine);
  return {};
}

asio::awaitable<Result<>> Server::make_limits() {
  auto& parts = *parts_;
  if (!settings_.redis.url.empty()) {
    bus::RedisOptions options;
    options.url = settings_.redis.url;
    auto redis = bus::Redis::open(loops_.home(), std::move(options));
    if (!redis) co_return fail(std::move(redis.error()));
    parts.redis = std::move(*redis);
  }
  limits::Options options;
  options.factor = settings_.rates.factor;
  options.prefix = settings_.redis.prefix;
  parts.limits = std::make_unique<limits::Service>(loops_.home(), std::move(options), *parts.store, parts.redis.get());
  parts.limits->declare_jobs(*parts.jobs);
  auto loaded = co_await parts.limits->load();
  if (!loaded) co_return loaded;
  parts.features = std::make_unique<features::Service>(*parts.store, parts.clock);
  co_return co_await parts.features->load();
}

void Server::make_services() {
  auto& parts = *parts_;
  parts.gateway = std::make_unique<gateway::Gateway>(loops_, gateway_options(settings_.gateway));
  auto* gateway = parts.gateway.get();
  parts.lanes =
      std::make_unique<gateway::PortLanes>(settings_.gateway.ports.first, settings_.gateway.ports.last,
                                           [gateway](std::uint16_t port) { return gateway->port_free(port); });
  parts.catalogue = std::make_unique<templates::Catalogue>(template_options(settings_), *parts.engine, parts.bus,
                                                           parts.clock, loops_.home());
  parts.catalogue->declare_jobs(*parts.jobs);
  parts.identity = std::make_unique<identity::Service>(identity_options(settings_, parts.records), *parts.store,
                                                       parts.clock, parts.hashing);
  parts.identity->declare_jobs(*parts.jobs);
  const auto files = fs::absolute(settings_.data.path + "/instances").lexically_normal().string();
  const auto flags_folder = fs::absolute(settings_.data.path + "/flags").lexically_normal().string();
  parts.flags = std::make_unique<flags::Service>(
      flags::Options{settings_.flags.prefix, flags_folder},
      flags::Parts{*parts.store, *parts.engine, *parts.catalogue, parts.bus, parts.files, parts.clock, loops_.home()});
  parts.farm = std::make_unique<farm::Service>(
      farm::Options{settings_.farm.config, settings_.data.path},
      farm::Parts{loops_.home(), *parts.store, parts.bus, parts.clock, parts.files, *parts.jobs});
  labs::Steps steps;
  steps.push_back(labs::network_step(*parts.engine));
  steps.push_back(labs::files_step(parts.files, files));
  steps.push_back(flags::flags_step(*parts.flags, files));
  steps.push_back(labs::volumes_step(*parts.engine));
  steps.push_back(
      labs::machines_step(*parts.engine, files, settings_.engine.runtime, settings_.labs.stop_grace, {"flags"}));
  steps.push_back(labs::ready_step(*parts.engine));
  steps.push_back(labs::solve_step(*parts.engine, settings_.engine.name_space));
  steps.push_back(labs::routes_step(*parts.gateway, *parts.lanes));
  labs::Parts needs{loops_.home(), *parts.store, *parts.engine, *parts.catalogue,
                    *parts.lanes,  parts.bus,    parts.clock,   *parts.jobs};
  needs.presence.activity = [gateway](const InstanceId& id) -> std::optional<labs::Activity> {
    const auto traffic = gateway->traffic(id);
    if (!traffic) return std::nullopt;
    return labs::Activity{traffic->waiting > 0, traffic->last_activity};
  };
  needs.presence.set_asleep = [gateway](InstanceId id, bool asleep) {
    return gateway->set_asleep(std::move(id), asleep);
  };
  auto options = labs_options(settings_);
  options.claimant = parts.claimant;
  auto* flags = parts.flags.get();
  options.pool_choice = [flags](const templates::Template& tmpl) { return flags->pool_kind_of(tmpl); };
  parts.labs = std::make_unique<labs::Service>(std::move(options), needs, std::move(steps));
  gateway->on_wake([labs = parts.labs.get()](InstanceId id) { return labs->wake(std::move(id)); });
  parts.identity->on_user_deleted([this](UserId user) {
    parts_->gate.spawn(loops_.home(), "stop a deleted user's instances", stop_instances_of(std::move(user)));
  });
}

asio::awaitable<void> Server::stop_instances_of(UserId user) {
  for (const auto& live : parts_->labs->all_live()) {
    if (live->instance.owner == user.str()) co_await parts_->labs->stop(live->instance.id, "admin", "");
  }
  auto forgotten = co_await parts_->flags->forget(user.str());
  if (!forgotten)
    log::warn("app", "a deleted user's flags are still there",
              {{"user", user.str()}, {"cause", forgotten.error().cause}});
}

void Server::make_routes() {
  auto& parts = *parts_;
  parts.router = std::make_unique<http::Router>(loops_.home());
  parts.router->set_fallback(page);
  parts.router->set_watch([identity = parts.identity.get()](std::any who, http::Response& response) {
    return identity->watch(std::move(who), response);
  });
  parts.identity->add_routes(*parts.router);
  parts.records.add_routes(*parts.router);
  const auto& gateway = settings_.gateway;
  labs::PublicAddress address;
  address.domain = gateway.domain;
  address.tcp_host = gateway.public_host.empty() ? gateway.domain : gateway.public_host;
  address.port = gateway.public_port != 0 ? static_cast<std::uint16_t>(gateway.public_port) : parts.gateway->port();
  address.scheme = parts.gateway->scheme();
  labs::add_routes(*parts.router, {*parts.labs, *parts.catalogue, *parts.engine, parts.bus, parts.clock, address});
  parts.realtime = std::make_unique<realtime::Service>(
      realtime_options(settings_), realtime::Parts{loops_.home(), *parts.store, parts.bus, *parts.identity,
                                                   *parts.limits, parts.clock, parts.kinds});
  add_rooms(*parts.realtime, {*parts.labs, *parts.catalogue, *parts.farm, *parts.jobs, address});
  parts.realtime->add_routes(*parts.router);
  auto health = std::make_shared<const HealthParts>(
      HealthParts{*parts.store, *parts.engine, *parts.labs, *parts.catalogue, settings_.metrics.token});
  add_health_routes(*parts.router, health);
  add_gauges(health);
  auto document = [](http::Request) -> asio::awaitable<Result<http::Response>> {
    co_return http::Response::json(200, std::string(asset("openapi.json").value_or("{}")));
  };
  parts.router->add({"GET", "/openapi.json", http::Access::kOpen, document});
  parts.features->add_routes(*parts.router);
  parts.farm->add_routes(*parts.router);
  jobs::add_routes(*parts.router, *parts.jobs, [](const http::Request& request) {
    const auto& who = identity::principal_of(request);
    return bus::Actor{who.name, who.user.str(), request.client_address};
  });
  limits::add_routes(
      *parts.router, *parts.limits, [](const http::Request& request) { return identity::principal_of(request).name; },
      free_routes());
  connect_limits(*parts.router, *parts.identity, *parts.limits, settings_.server.trusted_proxies,
                 [farm = parts.farm.get()](const http::Request& request, const http::Route& route) {
                   return farm->principal(request, route);
                 });
}

asio::awaitable<Result<>> Server::start() {
  auto opened = open_store();
  if (!opened) co_return opened;
  auto identity = co_await store::server_identity(*parts_->store);
  if (!identity) co_return fail(std::move(identity.error()));
  parts_->claimant = claimant(settings_, std::move(*identity));
  auto made = make_engine();
  if (!made) co_return made;
  auto& parts = *parts_;
  auto node = node_name(settings_.data.path);
  if (!node) co_return fail(std::move(node.error()));
  jobs::Options working_options;
  working_options.node = std::move(*node);
  parts.jobs = std::make_unique<jobs::Service>(std::move(working_options),
                                               jobs::Parts{loops_.home(), *parts.store, parts.clock});
  auto kinds = event_kinds();
  if (!kinds) co_return fail(std::move(kinds.error()));
  parts.kinds = std::move(*kinds);
  auto recording = parts.records.make(settings_, loops_.home(), *parts.store, parts.clock, *parts.jobs, parts.kinds);
  if (!recording) co_return recording;
  make_services();
  parts.engine->run();
  auto print = co_await parts.engine->fingerprint();
  if (print)
    log::info("engine", "engine found",
              {{"kind", print->kind}, {"version", print->version}, {"api", print->api_version}});
  else
    log::warn("engine", "the engine is away; going on without it until it is back",
              {{"message", print.error().message}, {"cause", print.error().cause}});
  auto loaded = co_await parts.catalogue->load();
  if (!loaded) co_return loaded;
  auto bound = parts.gateway->start();
  if (!bound) co_return bound;
  auto prepared = parts.identity->prepare();
  if (!prepared) co_return prepared;
  auto recorded = co_await parts.records.start(*parts.store, parts.clock);
  if (!recorded) co_return recorded;
  co_await parts.flags->recall();
  auto labs_started = co_await parts.labs->start();
  if (!labs_started) co_return labs_started;
  auto farm_started = co_await parts.farm->start();
  if (!farm_started) co_return farm_started;
  auto limited = co_await make_limits();
  if (!limited) co_return limited;
  auto working = co_await parts.jobs->start();
  if (!working) co_return working;
  make_routes();
  auto following = co_await parts.realtime->start();
  if (!following) co_return following;
  http::ServerOptions options;
  options.listen = settings_.server.listen;
  options.tls_certificate = settings_.server.tls_certificate;
  options.tls_key = settings_.server.tls_key;
  parts.http = std::make_unique<http::Server>(loops_, *parts.router, options);
  auto listening = parts.http->start();
  if (!listening) co_return listening;
  parts.catalogue->run();
  parts.flags->run();
  auto outside = parts.farm_outside.start(settings_, *parts.farm, loops_.home(), local_url());
  if (!outside) co_return outside;
  auto link = co_await parts.identity->setup_link();
  if (link && *link) sign_in_link_ = url() + "/signin#" + (*link)->reveal();
  co_return Result<>{};
}

std::string Server::url() const {
  return settings_.server.public_url.empty() ? local_url() : settings_.server.public_url;
}

std::string Server::local_url() const {
  const auto& listen = settings_.server.listen;
  const auto host = listen.substr(0, listen.rfind(':'));
  const bool everywhere = host == "0.0.0.0" || host == "[::]";
  return fmt::format("{}://{}:{}", settings_.server.tls_certificate.empty() ? "http" : "https",
                     everywhere ? "127.0.0.1" : host, parts_->http ? parts_->http->port() : 0);
}

asio::awaitable<void> Server::stop() {
  auto& parts = *parts_;
  co_await parts.farm_outside.stop();
  if (parts.farm) parts.farm->stop_waiting();
  if (parts.realtime) parts.realtime->disconnect();
  if (parts.http) co_await parts.http->stop(std::chrono::seconds{2});
  if (parts.realtime) co_await parts.realtime->close();
  co_await parts.gate.close();
  if (parts.jobs) co_await parts.jobs->close();
  if (parts.farm) co_await parts.farm->close();
  if (parts.labs) co_await parts.labs->close();
  if (parts.flags) co_await parts.flags->close();
  if (parts.catalogue) co_await parts.catalogue->close();
  if (parts.gateway) co_await parts.gateway->stop(std::chrono::milliseconds{500});
  if (parts.labs) co_await parts.labs->leave();
  if (parts.engine) co_await parts.engine->close();
  if (parts.limits) co_await parts.limits->close();
  if (parts.redis) co_await parts.redis->close();
  if (parts.identity) co_await parts.identity->close();
  if (parts.store) co_await parts.records.close(*parts.store, parts.clock);
  if (parts.store) parts.store->close();
}

}  // namespace tiltyard::app
