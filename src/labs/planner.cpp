#include "labs/planner.h"

#include <fmt/format.h>

#include "engine/engine.h"
#include "gateway/port_lanes.h"
#include "labs/instances.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

std::string address_of(const Plan& plan, const std::string& service) {
  for (const auto& machine : plan.machines) {
    if (machine.service == service && !machine.attachments.empty()) return machine.attachments.front().address;
  }
  return {};
}

}  // namespace

Result<> Planner::open() {
  auto addresses =
      AddressPlan::make(options_.network_pool, options_.prefix, options_.claimant.server, options_.machines_per_bridge);
  if (!addresses) return fail(std::move(addresses.error()));
  addresses_.emplace(std::move(*addresses));
  return {};
}

asio::awaitable<Result<>> Planner::plan(LiveRef live) {
  Instance& instance = live->instance;
  const auto tmpl = live->tmpl;
  instance.plan.engine = engine_;
  auto placed = addresses_->place(*tmpl, instance.id, instance.plan);
  if (!placed) co_return placed;
  for (const auto& volume : tmpl->volumes) {
    instance.plan.volumes.emplace_back(volume, fmt::format("{}-{}-{}", options_.prefix, instance.id.str(), volume));
  }
  for (const auto& endpoint : tmpl->endpoints) {
    PlannedEndpoint planned;
    planned.name = endpoint.name;
    planned.machine = endpoint.machine;
    planned.machine_port = endpoint.port;
    planned.kind = endpoint.kind;
    planned.address = address_of(instance.plan, endpoint.machine);
    instance.plan.endpoints.push_back(std::move(planned));
  }
  if (instance.pool == PoolRole::kWaiting) co_return Result<>{};
  auto given = co_await give_ports(&instance);
  if (!given) release(*live);
  co_return given;
}

asio::awaitable<Result<>> Planner::give_ports(Instance* instance) {
  for (auto& endpoint : instance->plan.endpoints) {
    if (!owns_port(endpoint.kind) || endpoint.port != 0) continue;
    auto before = co_await rows_.remembered_port(instance->owner, instance->tmpl, endpoint.machine_port);
    const std::optional<std::uint16_t> preferred = before && *before != 0 ? std::optional(*before) : std::nullopt;
    auto port = parts_.lanes.allocate(instance->owner, instance->tmpl.str(), endpoint.machine_port, preferred);
    if (!port) co_return fail(std::move(port.error()));
    endpoint.port = *port;
  }
  co_return Result<>{};
}

void Planner::release_ports(const Instance& instance) {
  for (const auto& endpoint : instance.plan.endpoints) {
    if (endpoint.port != 0) parts_.lanes.release(endpoint.port);
  }
}

/// Gives back what the plan holds in memory: addresses and ports.
void Planner::release(const Live& live) {
  addresses_->release(live.instance.plan);
  release_ports(live.instance);
}

void Planner::restore(Plan& plan) {
  addresses_->restore(plan);
  for (const auto& endpoint : plan.endpoints) {
    if (endpoint.port != 0) parts_.lanes.restore(endpoint.port);
  }
}

void Planner::avoid(const Plan& plan) {
  for (const auto& network : plan.networks) addresses_->avoid(network->spec.subnet);
}

asio::awaitable<void> Planner::look_at_ranges(engine::Engine& engine, const Instances& instances) {
  auto ranges = co_await engine.used_ranges();
  if (!ranges) {
    log::warn("labs", "what others use of network.pool is not known", {{"cause", ranges.error().cause}});
    co_return;
  }
  for (const auto& range : *ranges) {
    const auto overlap = addresses_->overlap(range.subnet);
    if (overlap == AddressPlan::Overlap::kNone || is_ours(range, instances)) continue;
    const bool spans = overlap == AddressPlan::Overlap::kWhole && range.route;
    log::warn("labs",
              spans ? "a route of this host spans network.pool; machines get addresses that it would lead elsewhere"
                    : "a part of network.pool is in use by others; it is left out",
              {{"range", range.subnet}, {"by", range.holder}});
    // A route to a whole company's network is no claim on each address in it, and our bridges' routes are narrower.
    if (!spans) addresses_->avoid(range.subnet);
  }
}

bool Planner::is_ours(const engine::UsedRange& range, const Instances& instances) const {
  if (range.route) return false;
  const auto server = range.labels.find(engine::kLabelServer);
  if (server != range.labels.end()) return server->second == options_.claimant.server;
  const auto instance = range.labels.find(engine::kLabelInstance);
  return addresses_->names(range.holder) ||
         (instance != range.labels.end() && instances.find(InstanceId(instance->second)));
}

}  // namespace tiltyard::labs
