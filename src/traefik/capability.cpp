#include "traefik/capability.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "house/ground.h"
#include "observe/metrics.h"

namespace tiltyard::traefik {
namespace {

/// What changes where an endpoint leads, or whether it leads anywhere.
bool moves_routes(const bus::Event& event) {
  using namespace labs::events;
  constexpr std::array kMoving{&kRunning, &kPaused,  &kResumed,    &kEnding,    &kStopped,
                               &kFailed,  &kExpired, &kPortOpened, &kPortClosed};
  return std::ranges::any_of(kMoving, [&](const bus::EventKind* kind) { return event.kind == *kind; });
}

/// Where it listens, as who is on this host reaches it: an address that stands for all is the loopback's.
std::string reached_at(const std::string& listen, std::uint16_t port) {
  auto host = listen.substr(0, listen.rfind(':'));
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return fmt::format("{}:{}", host, port);
}

/// What only our gateway can do for an endpoint.
bool needs_gateway(const labs::Instance& instance, const labs::PlannedEndpoint& endpoint, bool owner_only) {
  return instance.state == labs::InstanceState::kPaused || endpoint.called || endpoint.handover != Handover{} ||
         settled(endpoint.door, owner_only) != Door::kOpen;
}

}  // namespace

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  return {};
}

Gateway Capability::gateway() const {
  const auto& ours = ground_->gateway.options();
  Gateway out{options_.gateway, options_.gateway_tls, ours.domain};
  if (out.address.empty()) out.address = reached_at(ours.listen, ground_->gateway.port());
  if (out.tls_address.empty() && !ours.tls_listen.empty()) {
    const auto colon = ours.tls_listen.rfind(':');
    out.tls_address =
        reached_at(ours.tls_listen, static_cast<std::uint16_t>(std::atoi(ours.tls_listen.c_str() + colon + 1)));
  }
  return out;
}

std::vector<Exported> Capability::endpoints() const {
  const auto& ours = ground_->gateway.options();
  std::vector<Exported> out;
  for (const auto& live : labs_.service().all_live()) {
    const auto& instance = live->instance;
    if (!labs::is_up(instance.state) || instance.pool == labs::PoolRole::kWaiting || live->ending()) continue;
    for (const auto& endpoint : instance.plan.endpoints) {
      Exported one{instance.id.str(), endpoint.name, endpoint.kind, {}, {}, true};
      for (const auto& label : labs::hosts_of(instance, endpoint)) one.hosts.push_back(label + "." + ours.domain);
      one.machine = fmt::format("{}:{}", endpoint.address, endpoint.machine_port);
      one.by_gateway = needs_gateway(instance, endpoint, ours.owner_only);
      out.push_back(std::move(one));
    }
  }
  return out;
}

asio::awaitable<Result<>> Capability::open() {
  if (options_.url.empty()) co_return Result<>{};
  exporter_ =
      std::make_unique<Exporter>(ground_->home, options_, gateway(), [this] { return endpoints(); }, ground_->files);
  auto opened = exporter_->open();
  if (!opened) co_return opened;
  news_ = ground_->bus.subscribe([exporter = exporter_.get()](const bus::Event& event) {
    if (moves_routes(event)) exporter->poke();
  });
  metrics::on_collect([exporter = exporter_.get()] {
    const auto since = exporter->behind();
    const auto late = since ? std::chrono::steady_clock::now() - *since : std::chrono::steady_clock::duration{};
    metrics::gauge(measures::kKeys).set(static_cast<double>(exporter->keys()));
    metrics::gauge(measures::kBehind).set(std::chrono::duration<double>(late).count());
  });
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  news_ = {};
  if (exporter_) co_await exporter_->close();
}

}  // namespace tiltyard::traefik
