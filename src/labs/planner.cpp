#include "labs/planner.h"

#include <fmt/format.h>
#include <sodium/randombytes.h>

#include <algorithm>

#include "engine/engine.h"
#include "gateway/port_lanes.h"
#include "labs/instances.h"
#include "labs/machine_spec.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

std::string address_of(const Plan& plan, const std::string& service) {
  for (const auto& machine : plan.machines) {
    if (machine.service == service && !machine.attachments.empty()) return machine.attachments.front().address;
  }
  return {};
}

/// Of the same port of the same machine over the other transport: who gets a short answer over UDP asks for the whole
/// of it on the TCP port of the same number (DNS does, RFC 7766).
std::optional<std::uint16_t> port_of_twin(const Plan& plan, const PlannedEndpoint& endpoint) {
  for (const auto& other : plan.endpoints) {
    if (other.port != 0 && other.machine == endpoint.machine && other.machine_port == endpoint.machine_port &&
        transport_of(other.kind) != transport_of(endpoint.kind))
      return other.port;
  }
  return std::nullopt;
}

}  // namespace

Result<> Planner::open() {
  for (const auto& [name, engine] : parts_.engines.all()) {
    const auto& terms = parts_.engines.terms_of(name);
    auto addresses = AddressPlan::make(terms.pool.empty() ? options_.network_pool : terms.pool, terms.name_space,
                                       options_.claimant.server, options_.machines_per_bridge);
    if (!addresses) return fail(std::move(addresses.error()));
    places_.emplace(name, Place{name, std::move(*addresses)});
  }
  return {};
}

Planner::Place* Planner::place_of(const Plan& plan) {
  const auto found = places_.find(*plan.engine);
  return found == places_.end() ? nullptr : &found->second;
}

asio::awaitable<Result<>> Planner::plan(LiveRef live) {
  Instance& instance = live->instance;
  const auto tmpl = live->tmpl;
  const auto& engine = tmpl->engine.empty() ? parts_.engines.chosen() : tmpl->engine;
  const auto found = places_.find(engine);
  if (found == places_.end()) co_return fail(*parts_.engines.of(engine).away());
  auto& place = found->second;
  instance.plan.engine = place.engine;
  instance.plan.record_terminals = tmpl->record_terminals;
  auto placed = place.addresses.place(*tmpl, instance.plan);
  if (!placed) co_return placed;
  if (instance.plan.networks.size() == 1 && instance.plan.networks.front()->spec.shared) {
    if (auto next = place.addresses.soon_wanted(tmpl->egress))
      gate_.spawn(parts_.home, "network ahead", make_ahead(engine, std::move(*next)));
  }
  const auto& prefix = parts_.engines.terms_of(engine).name_space;
  for (const auto& volume : tmpl->volumes) {
    instance.plan.volumes.emplace_back(volume, fmt::format("{}-{}-{}", prefix, instance.id.str(), volume));
  }
  for (const auto& endpoint : tmpl->endpoints) {
    PlannedEndpoint planned;
    planned.name = endpoint.name;
    planned.machine = endpoint.machine;
    planned.machine_port = endpoint.port;
    planned.kind = endpoint.kind;
    if (!endpoint.called.empty()) planned.called = endpoint.called;
    planned.guessed = endpoint.guessed;
    planned.handover = endpoint.handover;
    // Who tries a template of their own has nobody to sign in as.
    planned.door = options_.trial ? Door::kOpen : endpoint.door;
    planned.address = address_of(instance.plan, endpoint.machine);
    // Whoever knows the name is let in, so that it must not follow from anything that is told elsewhere.
    if (!owns_port(endpoint.kind)) randombytes_buf(planned.host.data(), planned.host.size());
    instance.plan.endpoints.push_back(std::move(planned));
  }
  if (instance.pool == PoolRole::kWaiting) co_return Result<>{};
  auto given = co_await give_ports(&instance);
  if (!given) release(*live);
  co_return given;
}

/// What goes wrong here goes wrong again where a spawn needs the network, and is said there.
asio::awaitable<void> Planner::make_ahead(std::string on, engine::NetworkSpec network) {
  network.labels = {{kLabelShared, "true"}};
  auto& engine = parts_.engines.of(on);
  auto isolated = co_await engine.ensure_isolation();
  if (!isolated || engine.away()) co_return;
  auto made = co_await engine.create_network(std::move(network));
  if (!made) log::debug("labs", "a network could not be made ahead", {{"reason", made.error().reason}});
}

asio::awaitable<Result<>> Planner::give_ports(Instance* instance) {
  for (auto& endpoint : instance->plan.endpoints) {
    if (!owns_port(endpoint.kind) || endpoint.port != 0) continue;
    const auto transport = transport_of(endpoint.kind);
    auto before = co_await rows_.remembered_port(instance->owner, instance->tmpl, endpoint.machine_port, transport);
    // Another step of the same spawn may have come first meanwhile.
    if (endpoint.port != 0) continue;
    const auto preferred = before && *before != 0 ? std::optional(*before) : port_of_twin(instance->plan, endpoint);
    auto port =
        parts_.lanes.allocate(instance->owner, instance->tmpl.str(), endpoint.machine_port, preferred, transport);
    if (!port) co_return fail(std::move(port.error()));
    endpoint.port = *port;
  }
  co_return Result<>{};
}

void Planner::release_ports(const Instance& instance) {
  for (const auto& endpoint : instance.plan.endpoints) {
    if (endpoint.port != 0) parts_.lanes.release(endpoint.port, transport_of(endpoint.kind));
  }
}

/// Gives back what the plan holds in memory: addresses and ports.
void Planner::release(const Live& live) {
  if (auto* place = place_of(live.instance.plan)) place->addresses.release(live.instance.plan);
  release_ports(live.instance);
}

void Planner::restore(Plan& plan) {
  if (auto* place = place_of(plan)) {
    plan.engine = place->engine;
    place->addresses.restore(plan);
  }
  for (const auto& endpoint : plan.endpoints) {
    if (endpoint.port != 0) parts_.lanes.restore(endpoint.port, transport_of(endpoint.kind));
  }
}

void Planner::avoid(const Plan& plan) {
  auto* place = place_of(plan);
  if (!place) return;
  for (const auto& network : plan.networks) place->addresses.avoid(network->spec.subnet);
}

bool Planner::names(const std::string& network) const {
  return std::ranges::any_of(places_, [&](const auto& one) { return one.second.addresses.names(network); });
}

asio::awaitable<void> Planner::look_at_ranges(std::string engine, const Instances& instances) {
  auto& place = places_.at(engine);
  auto ranges = co_await parts_.engines.of(engine).used_ranges();
  if (!ranges) {
    log::warn("labs", "what others use of network.pool is not known",
              {{"engine", engine}, {"cause", ranges.error().cause}});
    co_return;
  }
  for (const auto& range : *ranges) {
    const auto overlap = place.addresses.overlap(range.subnet);
    if (overlap == AddressPlan::Overlap::kNone) continue;
    // Of ours, what a version before made that cut the pool otherwise is in the way as well.
    if (is_ours(range, place, instances) && AddressPlan::cuts(range.subnet)) continue;
    const bool spans = overlap == AddressPlan::Overlap::kWhole && range.route;
    log::warn("labs",
              spans ? "a route of this host spans network.pool; machines get addresses that it would lead elsewhere"
                    : "a part of network.pool is in use by others, or still from before; it is left out",
              {{"range", range.subnet}, {"by", range.holder}});
    // A route to a whole company's network is no claim on each address in it, and our bridges' routes are narrower.
    if (!spans) place.addresses.avoid(range.subnet);
  }
}

bool Planner::is_ours(const engine::UsedRange& range, const Place& place, const Instances& instances) const {
  if (range.route) return false;
  const auto server = range.labels.find(engine::kLabelServer);
  if (server != range.labels.end()) return server->second == options_.claimant.server;
  const auto instance = range.labels.find(engine::kLabelInstance);
  return place.addresses.names(range.holder) ||
         (instance != range.labels.end() && instances.find(InstanceId(instance->second)));
}

}  // namespace tiltyard::labs
