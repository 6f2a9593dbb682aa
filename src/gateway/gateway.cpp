// The home side: publishes and withdraws, and knows nothing of the bytes.
#include "gateway/gateway.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/text.h"
#include "gateway/doors.h"
#include "gateway/gateway_state.h"
#include "gateway/meter.h"
#include "gateway/report.h"
#include "gateway/sockets.h"
#include "observe/log.h"

namespace tiltyard::gateway {
namespace {

/// "10-1-2-3.reverse-proxy-REGION" for the first endpoint of that address, "10-1-2-3-8080.…" for each.
void add_address_names(const Route& route, const std::string& region, std::set<std::string>& known,
                       std::vector<std::string>& hosts) {
  if (region.empty() || route.address.find(':') != std::string::npos) return;
  auto dashed = route.address;
  std::ranges::replace(dashed, '.', '-');
  const auto below = ".reverse-proxy-" + region;
  if (known.insert(route.address).second) hosts.push_back(dashed + below);
  hosts.push_back(fmt::format("{}-{}{}", dashed, route.machine_port, below));
}

}  // namespace

Result<std::shared_ptr<Publication>> Gateway::State::prepare(const InstanceId& instance,
                                                             const std::vector<Route>& routes,
                                                             const std::string& owner) const {
  auto publication = std::make_shared<Publication>();
  publication->instance = instance;
  if (!owner.empty()) publication->owner = net::holder_of(owner);
  std::set<std::string> known_addresses;
  for (const auto& route : routes) {
    auto machine = socket_address(route.address, route.machine_port);
    if (!machine) return fail(std::move(machine.error()));
    if (route.kind == EndpointKind::kTls && shared->options.tls_listen.empty()) {
      return fail(Code::kConflict, "tls-off",
                  "This server takes no TLS (gateway.tls_listen is empty), and the template has an endpoint of kind "
                  "tls.");
    }
    PublishedRoute made{
        route.kind,    route.endpoint, {}, route.port, *machine, {}, settled(route.door, shared->options.owner_only),
        route.handover};
    if (!route.called.empty()) made.called = route.called;
    for (const auto& host : route.hosts) made.hosts.push_back(lower(host));
    if (!owns_port(route.kind)) add_address_names(route, shared->options.address_names, known_addresses, made.hosts);
    publication->routes.push_back(std::move(made));
  }
  return publication;
}

Result<> Gateway::State::open_ports(const Publication& publication, const std::set<OwnedPort>& have,
                                    OpenedPorts& opened) const {
  for (const auto& route : publication.routes) {
    const OwnedPort port{route.port, transport_of(route.kind)};
    if (!owns_port(route.kind) || have.contains(port) || opened.fds.contains(port)) continue;
    if (shared->options.tcp_address.empty()) {
      return fail(Code::kConflict, "raw-tcp-off",
                  "This server opens no ports for raw TCP and UDP (gateway.tcp_address is empty), and the template has "
                  "an endpoint "
                  "that needs one.");
    }
    auto address = socket_address(shared->options.tcp_address, route.port);
    if (!address) return fail(std::move(address.error()));
    auto fd = port.transport == Transport::kUdp ? open_datagram_port(*address) : open_listener(*address, false);
    if (!fd) return fail(std::move(fd.error()).with("port", std::to_string(route.port)));
    opened.fds.emplace(port, *fd);
  }
  return {};
}

void Gateway::State::meter(Publication& publication, Published& entry, const std::string& owner) {
  const auto& options = shared->options;
  if (options.endpoint_limits.any()) {
    std::erase_if(entry.meters, [&publication](const auto& one) {
      return std::ranges::find(publication.routes, one.first, &PublishedRoute::endpoint) == publication.routes.end();
    });
    for (auto& route : publication.routes) {
      auto& meter = entry.meters[route.endpoint];
      if (!meter) meter = std::make_shared<Meter>(options.endpoint_limits);
      route.meter = meter;
    }
  }
  if (!options.owner_limits.any() || owner.empty()) return;
  std::erase_if(owners, [](const auto& one) { return one.second.expired(); });
  auto& known = owners[owner];
  publication.meter = known.lock();
  if (publication.meter) return;
  publication.meter = std::make_shared<Meter>(options.owner_limits);
  known = publication.meter;
}

std::size_t Gateway::State::route_count() const {
  std::lock_guard lock(mutex);
  std::size_t count = 0;
  for (const auto& [id, entry] : published) count += entry.routes;
  return count;
}

Gateway::Gateway(net::Loops& loops, Options options) {
  options.domain = lower(options.domain);
  options.head_limit = std::clamp<std::size_t>(options.head_limit, 1024, 64 * 1024);
  state_ = std::make_shared<State>(std::move(options));
  state_->home = loops.home();
  for (std::size_t i = 0; i < loops.size(); ++i) {
    state_->shards.push_back(std::make_shared<Shard>(loops.net(i), i, state_->shared));
    state_->shared->shards.push_back(state_->shards.back());
  }
  state_->doors = std::make_unique<Doors>(state_->shards);
}

Gateway::~Gateway() {
  if (!state_->started || state_->shut) return;
  // Not stopped in order: each loop cuts its own connections; the handlers keep the shards alive until then.
  for (auto& shard : state_->shards) shard->post([](Shard& s) { s.shut(); });
}

/// A listener for each loop on one port.
Result<OpenedListeners> Gateway::State::open_listeners(const std::string& listen) const {
  OpenedListeners opened;
  auto address = parse_listen(listen);
  if (!address) return fail(std::move(address.error()));
  // SO_REUSEPORT would let a second server of the same user take half of the connections unnoticed: one plain bind
  // first.
  auto probe = open_listener(*address, false);
  if (!probe) return fail(std::move(probe.error()).with("address", listen));
  opened.port = bound_port(*probe);
  ::close(*probe);
  address->set_port(opened.port);
  while (opened.fds.size() < shards.size()) {
    auto fd = open_listener(*address, true);
    if (!fd) return fail(std::move(fd.error()).with("address", listen));
    opened.fds.push_back(*fd);
  }
  return opened;
}

Result<> Gateway::start() {
  state_->listen_for_wakes();
  auto& options = state_->shared->options;
  // splice(2) has no MSG_NOSIGNAL.
  if (auto before = std::signal(SIGPIPE, SIG_IGN); before != SIG_DFL && before != SIG_IGN) std::signal(SIGPIPE, before);
  auto plain = state_->open_listeners(options.listen);
  if (!plain) return fail(std::move(plain.error()));
  OpenedListeners secure;
  if (options.tls) {
    auto opened = state_->open_listeners(options.tls_listen);
    if (!opened) return fail(std::move(opened.error()));
    secure = std::move(*opened);
  }
  state_->port = plain->port;
  state_->shared->tls_port = secure.port;
  state_->started = true;
  for (std::size_t i = 0; i < state_->shards.size(); ++i) {
    state_->shards[i]->post(
        [http = plain->release(i), tls = secure.release(i)](Shard& shard) { shard.start(http, tls); });
  }
  report_metrics(state_, [](const void* state) {
    const auto& self = *static_cast<const State*>(state);
    return Totals::of(self.shards, self.route_count());
  });
  log::info("gateway", "gateway listens",
            {{"address", options.listen},
             {"domain", options.domain},
             {"port", static_cast<int>(state_->port)},
             {"tls_port", static_cast<int>(secure.port)}});
  return {};
}

const Options& Gateway::options() const { return state_->shared->options; }

Doors& Gateway::doors() { return *state_->doors; }

std::uint16_t Gateway::port() const { return state_->port; }

std::uint16_t Gateway::tls_port() const { return state_->shared->tls_port; }

std::uint16_t Gateway::public_port() const {
  const auto& options = state_->shared->options;
  if (options.public_port != 0) return options.public_port;
  return options.public_tls && options.tls ? tls_port() : port();
}

std::uint16_t Gateway::public_tls_port() const {
  const auto& options = state_->shared->options;
  return options.public_port != 0 && options.public_tls ? options.public_port : tls_port();
}

std::string_view Gateway::scheme() const { return state_->shared->options.public_tls ? "https" : "http"; }

bool Gateway::port_free(std::uint16_t port, Transport transport) const {
  auto address = socket_address(state_->shared->options.tcp_address, port);
  if (!address) return false;
  auto fd = transport == Transport::kUdp ? open_datagram_port(*address) : open_listener(*address, false);
  if (!fd) return false;
  ::close(*fd);
  return true;
}

asio::awaitable<Result<>> Gateway::publish(InstanceId instance, std::vector<Route> routes, std::string owner) {
  auto state = state_;
  if (state->stopping) co_return fail(Code::kUnavailable, "shutting-down", "The gateway is shutting down.");
  auto publication = state->prepare(instance, routes, owner);
  if (!publication) co_return fail(std::move(publication.error()));
  State::Published entry;
  {
    std::lock_guard lock(state->mutex);
    if (auto found = state->published.find(instance); found != state->published.end()) entry = found->second;
  }
  OpenedPorts opened;
  if (auto ready = state->open_ports(**publication, entry.ports, opened); !ready)
    co_return fail(std::move(ready.error()));
  if (!entry.traffic) entry.traffic = std::make_shared<InstanceTraffic>(state->shards.size());
  (*publication)->traffic = entry.traffic;
  state->meter(**publication, entry, owner);
  auto before = std::exchange(entry.ports, {});
  for (const auto& route : routes) {
    if (owns_port(route.kind)) entry.ports.insert({route.port, transport_of(route.kind)});
  }
  entry.routes = routes.size();
  {
    std::lock_guard lock(state->mutex);
    state->published[instance] = entry;
  }
  std::shared_ptr<const Publication> shown = *publication;
  auto jobs = state->everywhere([shown](Shard& shard) { shard.publish(shown); });
  co_await run_jobs(std::move(jobs));
  // Ports open only now, when every loop knows where their connections go.
  jobs = {};
  for (auto port : before) {
    if (entry.ports.contains(port)) continue;
    jobs.push_back({state->shard_of(port), [port](Shard& shard) { shard.close(port); }});
  }
  for (auto [port, fd] : std::exchange(opened.fds, {})) {
    jobs.push_back({state->shard_of(port), [port, fd](Shard& shard) { shard.listen(port, fd); }});
  }
  co_await run_jobs(std::move(jobs));
  co_return Result<>{};
}

asio::awaitable<void> Gateway::withdraw(InstanceId instance) {
  auto state = state_;
  State::Published entry;
  {
    std::lock_guard lock(state->mutex);
    auto found = state->published.find(instance);
    if (found == state->published.end()) co_return;
    entry = std::move(found->second);
    state->published.erase(found);
  }
  if (state->shut) co_return;
  auto jobs = state->everywhere([instance, ports = entry.ports](Shard& shard) {
    for (auto port : ports) shard.close(port);
    shard.withdraw(instance);
  });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<void> Gateway::name(std::string host, InstanceId instance, std::string endpoint) {
  auto jobs = state_->everywhere([host = lower(host), instance = std::move(instance), endpoint = std::move(endpoint)](
                                     Shard& shard) { shard.name(host, instance, endpoint); });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<void> Gateway::unname(std::string host) {
  if (state_->shut) co_return;
  auto jobs = state_->everywhere([host = lower(host)](Shard& shard) { shard.unname(host); });
  co_await run_jobs(std::move(jobs));
}

asio::awaitable<void> Gateway::answer_itself(std::map<std::string, std::string, std::less<>> texts) {
  auto state = state_;
  if (!state->started || state->shut) co_return;
  std::shared_ptr<const OwnAnswers> answers;
  if (!texts.empty()) answers = std::make_shared<const OwnAnswers>(std::move(texts));
  auto jobs = state->everywhere([answers](Shard& shard) { shard.set_own_answers(answers); });
  co_await run_jobs(std::move(jobs));
}

std::vector<std::string> Gateway::published() const {
  std::lock_guard lock(state_->mutex);
  std::vector<std::string> ids;
  for (const auto& [id, entry] : state_->published) ids.push_back(id.str());
  return ids;
}

std::optional<Traffic> Gateway::traffic(const InstanceId& instance) const {
  std::lock_guard lock(state_->mutex);
  auto found = state_->published.find(instance);
  if (found == state_->published.end()) return std::nullopt;
  Traffic sum;
  for (const auto& loop : found->second.traffic->per_loop) {
    sum.connections += loop.connections.get();
    sum.open += loop.open.get();
    sum.bytes_in += loop.bytes_in.get();
    sum.bytes_out += loop.bytes_out.get();
    sum.waiting += loop.waiting.get();
    auto last = std::chrono::steady_clock::duration(loop.last_activity.get());
    sum.last_activity = std::max(sum.last_activity, std::chrono::steady_clock::time_point(last));
  }
  sum.waiting += found->second.traffic->held.load(std::memory_order_relaxed);
  return sum;
}

asio::awaitable<void> Gateway::stop(std::chrono::milliseconds grace) {
  auto state = state_;
  if (std::exchange(state->stopping, true) || !state->started) co_return;
  co_await state->wakes.close();
  auto executor = co_await asio::this_coro::executor;
  auto timer = std::make_shared<asio::steady_timer>(executor, grace);
  auto left = std::make_shared<std::atomic<std::size_t>>(state->shards.size());
  auto empty = [timer, left, executor] {
    if (left->fetch_sub(1) == 1) asio::post(executor, [timer] { timer->cancel(); });
  };
  // The wait must have begun before a shard may end it: the jobs are posted, so their answer comes behind this
  // coroutine.
  for (auto& shard : state->shards) shard->post([empty](Shard& s) { s.drain(empty); });
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  auto jobs = state->everywhere([](Shard& shard) { shard.shut(); });
  co_await run_jobs(std::move(jobs));
  state->shut = true;
}

}  // namespace tiltyard::gateway
