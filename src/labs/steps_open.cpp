// The step that opens an instance to its owner: the gateway knows the way.
#include <algorithm>

#include "labs/steps.h"

namespace tiltyard::labs {
namespace {

class RoutesStep final : public Step {
 public:
  RoutesStep(gateway::Gateway& gateway, gateway::PortLanes& lanes) : gateway_(gateway), lanes_(lanes) {}

  std::string name() const override { return "routes"; }
  std::vector<std::string> after() const override { return {"ready"}; }
  bool in_pool() const override { return false; }
  bool lives_in_process() const override { return true; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    for (int tries = 0;; ++tries) {
      auto published = co_await gateway_.publish(spawn->facts().id, routes_of(spawn->facts()), spawn->facts().owner);
      if (published || published.error().reason != "port-busy" || tries == 3) co_return published;
      auto moved = move_port(*spawn, published.error());
      if (!moved) co_return moved;
    }
  }

  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    co_await gateway_.withdraw(spawn->facts().id);
    co_return Result<>{};
  }

 private:
  static std::vector<gateway::Route> routes_of(const Instance& instance) {
    std::vector<gateway::Route> routes;
    for (const auto& endpoint : instance.plan.endpoints) {
      gateway::Route route;
      route.kind = endpoint.kind;
      route.endpoint = endpoint.name;
      route.hosts = hosts_of(instance, endpoint);
      route.port = endpoint.port;
      route.address = endpoint.address;
      route.machine_port = endpoint.machine_port;
      if (endpoint.called) route.called = *endpoint.called;
      route.handover = endpoint.handover;
      route.door = endpoint.door;
      routes.push_back(std::move(route));
    }
    return routes;
  }

  /// Somebody outside took one of the ports between the probe and the bind: that endpoint moves on, the others stay
  /// where players know them.
  Result<> move_port(Spawn& spawn, const Error& busy) {
    const auto said = std::ranges::find(busy.fields, "port", &std::pair<std::string, std::string>::first);
    for (auto& endpoint : spawn.plan().endpoints) {
      if (!owns_port(endpoint.kind)) continue;
      if (said != busy.fields.end() && said->second != std::to_string(endpoint.port)) continue;
      const auto transport = transport_of(endpoint.kind);
      auto port = lanes_.allocate(spawn.facts().owner, spawn.facts().tmpl.str(), endpoint.machine_port, std::nullopt,
                                  transport);
      if (!port) return fail(std::move(port.error()));
      lanes_.release(endpoint.port, transport);
      endpoint.port = *port;
    }
    return {};
  }

  gateway::Gateway& gateway_;
  gateway::PortLanes& lanes_;
};

}  // namespace

std::unique_ptr<Step> routes_step(gateway::Gateway& gateway, gateway::PortLanes& lanes) {
  return std::make_unique<RoutesStep>(gateway, lanes);
}

}  // namespace tiltyard::labs
