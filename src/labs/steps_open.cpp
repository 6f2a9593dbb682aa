// The steps that open an instance to its owner: it answers, and the gateway knows the way.
#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>

#include "labs/steps.h"
#include "net/dial.h"

namespace tiltyard::labs {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// What has to answer before the instance counts as ready.
struct Probe {
  std::string machine, address;
  std::uint16_t port = 0;
  std::string path;  ///< empty: an open connection is enough
};

/// One try: connects, and for HTTP asks for the path. An HTTP client would be too strict for it: what counts is that
/// something answers, and challenges answer in many ways.
asio::awaitable<bool> answers(Probe probe, milliseconds deadline) {
  const auto until = SteadyClock::now() + deadline;
  auto socket = co_await http::dial({{}, probe.address, probe.port}, until);
  if (!socket || probe.path.empty()) co_return socket.has_value();
  auto transport = std::make_shared<http::Transport>(std::move(*socket));
  asio::steady_timer timer(transport->executor(), until);
  timer.async_wait([transport](const boost::system::error_code& error) {
    if (!error) transport->close();
  });
  const auto request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: tiltyard-ready\r\nConnection: close\r\n\r\n", probe.path,
                  probe.machine);
  if (co_await transport->write_all(request)) co_return false;
  // "HTTP/1.1 200": a status under 500 means that the application is up, whatever it thinks of the path.
  std::array<char, 12> head{};
  for (std::size_t got = 0; got < head.size();) {
    const auto [error, size] = co_await transport->read_some(asio::buffer(head.data() + got, head.size() - got));
    if (error) co_return false;
    got += size;
  }
  co_return std::string_view(head.data(), 7) == "HTTP/1." && head[9] >= '1' && head[9] <= '4';
}

class ReadyStep final : public Step {
 public:
  explicit ReadyStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "ready"; }
  std::vector<std::string> after() const override { return {"machines"}; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    if (spawn->starts_at_claim()) co_return Result<>{};  // its machines start at the claim
    const auto probes = probes_of(*spawn);
    const auto ready = ready_of(*spawn);
    auto limit = std::chrono::duration_cast<milliseconds>(ready.timeout);
    if (limit <= milliseconds{0}) {
      limit = milliseconds{120'000};
      if (spawn->origin()) limit = std::max(spawn->origin()->expected_boot * 10, limit);
    }
    const auto end = SteadyClock::now() + limit;
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& probe : probes) works.push_back(until_it_answers(spawn, probe, end));
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(SpawnRef) override { co_return Result<>{}; }

 private:
  static templates::Ready ready_of(const Spawn& spawn) {
    return spawn.origin() ? spawn.origin()->ready : templates::Ready{};
  }

  static std::vector<Probe> probes_of(const Spawn& spawn) {
    const auto ready = ready_of(spawn);
    std::vector<Probe> probes;
    for (const auto& endpoint : spawn.facts().plan.endpoints) {
      const bool named = ready.port != 0 && ready.port == endpoint.machine_port &&
                         (ready.machine.empty() || ready.machine == endpoint.machine);
      const bool http = speaks_http(endpoint.kind);
      std::string path;
      if (named || (http && ready.port == 0)) path = ready.path.empty() && http ? "/" : ready.path;
      probes.push_back({endpoint.machine, endpoint.address, endpoint.machine_port, http ? path : std::string{}});
    }
    if (spawn.origin() && ready.port != 0) add_named(spawn, probes);
    return probes;
  }

  /// `[ready]` may name a port that is no endpoint.
  static void add_named(const Spawn& spawn, std::vector<Probe>& probes) {
    const auto& ready = spawn.origin()->ready;
    for (const auto& machine : spawn.facts().plan.machines) {
      if (!ready.machine.empty() ? machine.service != ready.machine
                                 : machine.service != spawn.origin()->services[0].name)
        continue;
      if (machine.attachments.empty()) continue;
      const auto& address = machine.attachments.front().address;
      const bool known = std::any_of(probes.begin(), probes.end(), [&](const Probe& probe) {
        return probe.machine == machine.service && probe.port == ready.port;
      });
      if (!known) probes.push_back({machine.service, address, ready.port, ready.path});
    }
  }

  /// Tries at short intervals first (most machines answer within milliseconds), then at the template's.
  asio::awaitable<Result<>> until_it_answers(SpawnRef spawn, Probe probe, SteadyClock::time_point end) {
    const auto interval = ready_of(*spawn).interval;
    milliseconds delay{1};
    auto next_look = SteadyClock::now() + milliseconds{200};
    while (true) {
      const bool good = co_await answers(probe, milliseconds{2000});
      if (good) co_return Result<>{};
      if (spawn->given_up()) co_return fail(Code::kCancelled, "cancelled", "The start was given up.");
      if (SteadyClock::now() >= end) co_return not_ready(probe);
      if (SteadyClock::now() >= next_look) {
        auto alive = co_await still_runs(spawn, probe.machine);
        if (!alive) co_return alive;
        next_look = SteadyClock::now() + milliseconds{1000};
      }
      co_await sleep_for(delay);
      delay = std::min(delay * 3 / 2 + milliseconds{1}, interval);
    }
  }

  static Result<> not_ready(const Probe& probe) {
    return fail(Code::kTimeout, "not-ready",
                fmt::format("Machine '{}' runs, but did not answer on port {} in time.", probe.machine, probe.port));
  }

  asio::awaitable<Result<>> still_runs(SpawnRef spawn, std::string service) {
    for (const auto& machine : spawn->plan().machines) {
      if (machine.service != service) continue;
      auto status = co_await of(*spawn).inspect(machine.handle);
      // An engine that is away for a moment says nothing about the machine.
      if (!status) co_return Result<>{};
      const auto state = status->state;
      if (state == engine::MachineState::kExited || state == engine::MachineState::kDead ||
          state == engine::MachineState::kAbsent) {
        co_return fail(Code::kInvalid, "machine-exited",
                       fmt::format("Machine '{}' ended with exit code {}{} before it answered.", service,
                                   status->exit_code, status->out_of_memory ? " (out of memory)" : ""));
      }
    }
    co_return Result<>{};
  }

  engine::Engine& of(const Spawn& spawn) const { return engines_.of(spawn.facts().plan.engine); }

  engine::Engines& engines_;
};

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
      auto moved = move_ports(*spawn);
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
      routes.push_back(std::move(route));
    }
    return routes;
  }

  /// Somebody outside took one of the ports between the probe and the bind: all of the instance's move on.
  Result<> move_ports(Spawn& spawn) {
    for (auto& endpoint : spawn.plan().endpoints) {
      if (!owns_port(endpoint.kind)) continue;
      auto port = lanes_.allocate(spawn.facts().owner, spawn.facts().tmpl.str(), endpoint.machine_port, std::nullopt);
      if (!port) return fail(std::move(port.error()));
      lanes_.release(endpoint.port);
      endpoint.port = *port;
    }
    return {};
  }

  gateway::Gateway& gateway_;
  gateway::PortLanes& lanes_;
};

}  // namespace

std::unique_ptr<Step> ready_step(engine::Engines& engines) { return std::make_unique<ReadyStep>(engines); }
std::unique_ptr<Step> routes_step(gateway::Gateway& gateway, gateway::PortLanes& lanes) {
  return std::make_unique<RoutesStep>(gateway, lanes);
}

}  // namespace tiltyard::labs
