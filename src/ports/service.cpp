#include "ports/service.h"

#include <fmt/format.h>

#include <algorithm>

namespace tiltyard::ports {
namespace {

int opened_of(const labs::Instance& instance) {
  return static_cast<int>(std::ranges::count(instance.plan.endpoints, true, &labs::PlannedEndpoint::opened));
}

std::string key_of(const labs::Instance& instance, const std::string& machine) {
  return instance.id.str() + "/" + machine;
}

template <class Key>
int count_in(const std::map<Key, int>& counts, const Key& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

template <class Key>
void one_less(std::map<Key, int>& counts, const Key& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace

Result<std::string> machine_of(const labs::Instance& instance, const std::string& wanted) {
  const auto& plan = instance.plan;
  auto service = wanted;
  if (service.empty() && !plan.endpoints.empty()) service = plan.endpoints.front().machine;
  for (const auto& machine : plan.machines) {
    if (service.empty() || machine.service == service) return machine.service;
  }
  return fail(Code::kNotFound, "machine-unknown",
              fmt::format("The instance has no machine '{}'.", service.substr(0, 60)));
}

Service::Place::Place(Service& all, const labs::Instance& of) : service(all), instance(of.id), owner(of.owner) {
  ++service.opening_[instance];
  ++service.opening_of_owner_[owner];
}

Service::Place::~Place() {
  one_less(service.opening_, instance);
  one_less(service.opening_of_owner_, owner);
}

Policy Service::policy_of(const labs::Instance& instance) const {
  const auto live = labs_.live(instance.id);
  return ports::policy_of(options_, live ? live->tmpl.get() : nullptr);
}

int Service::left(const labs::Instance& instance, const Policy& policy) const {
  int of_owner = count_in(opening_of_owner_, instance.owner);
  int of_it = count_in(opening_, instance.id);
  for (const auto& live : labs_.all_live()) {
    if (live->instance.owner == instance.owner) of_owner += opened_of(live->instance);
    if (live->instance.id == instance.id) of_it += opened_of(live->instance);
  }
  return std::max(0, std::min(policy.max - of_it, options_.max_per_owner - of_owner));
}

std::optional<std::uint16_t> Service::free_of(const labs::Instance& instance, const Machine& machine,
                                              const Policy& policy, const std::string& who) {
  const auto key = key_of(instance, machine.name);
  auto taken = promises_.of_others(key, who, std::chrono::steady_clock::now());
  for (const auto& one : machine.ports) taken.insert(one.port);
  for (const auto& endpoint : instance.plan.endpoints) {
    if (endpoint.machine == machine.name) taken.insert(endpoint.machine_port);
  }
  return free_port(key + "/" + who, taken, policy);
}

asio::awaitable<View> Service::look(labs::Instance instance, std::string who) {
  View view;
  view.policy = policy_of(instance);
  view.left = left(instance, view.policy);
  std::vector<std::string> shown;
  for (const auto& machine : instance.plan.machines) {
    if (view.policy.shows(machine.service)) shown.push_back(machine.service);
  }
  view.machines = co_await look_at(engines_, files_, instance, std::move(shown));
  for (const auto& machine : view.machines) {
    const auto port = machine.seen ? free_of(instance, machine, view.policy, who) : std::nullopt;
    if (port) view.free.emplace(machine.name, *port);
  }
  co_return view;
}

asio::awaitable<Result<std::uint16_t>> Service::give(labs::Instance instance, std::string machine, std::string who) {
  const auto policy = policy_of(instance);
  const auto named = machine_of(instance, machine);
  if (!named) co_return fail(named.error());
  if (policy.kinds.empty()) co_return fail(Code::kForbidden, "ports-off", policy.why);
  if (!policy.shows(*named)) co_return fail(policy.allows(*named, 0, EndpointKind::kHttp).error());
  const auto looked = co_await look_at(engines_, files_, instance, {*named});
  if (looked.empty() || !looked.front().seen) {
    co_return fail(Code::kUnavailable, "machine-unseen",
                   looked.empty() ? "The machine is on no network." : looked.front().why);
  }
  const auto port = free_of(instance, looked.front(), policy, who);
  if (!port) co_return fail(Code::kConflict, "no-free-port", "Every port that you may open of this machine is in use.");
  promises_.make(key_of(instance, *named), *port, std::move(who), std::chrono::steady_clock::now());
  co_return *port;
}

asio::awaitable<Result<Opened>> Service::open(labs::Instance instance, Wanted wanted, bus::Actor actor) {
  const auto policy = policy_of(instance);
  const auto machine = machine_of(instance, wanted.machine);
  if (!machine) co_return fail(machine.error());
  if (auto allowed = policy.allows(*machine, wanted.port, wanted.kind); !allowed)
    co_return fail(std::move(allowed.error()));
  if (left(instance, policy) == 0) {
    co_return fail(Code::kLimited, "ports-exceeded",
                   fmt::format("As many ports are open as may be: {} of this instance (ports.max, or the template), {} "
                               "of all of yours (ports.max_per_owner). Close one first.",
                               policy.max, options_.max_per_owner));
  }
  const Place place(*this, instance);
  const auto looked = co_await look_at(engines_, files_, instance, {*machine});
  Opened out;
  if (!looked.empty()) {
    for (const auto& seen : looked.front().ports) {
      if (seen.port != wanted.port || seen.udp != (transport_of(wanted.kind) == Transport::kUdp)) continue;
      if (!seen.reachable) {
        co_return fail(Code::kConflict, "port-unreachable",
                       fmt::format("Port {} of machine '{}' would answer nobody. {}", wanted.port, *machine, seen.why));
      }
      out.listens = true;
    }
  }
  auto opened = co_await labs_.open_endpoint(
      instance.id, labs::Opening{std::move(wanted.name), *machine, wanted.port, wanted.kind}, std::move(actor));
  if (!opened) co_return fail(std::move(opened.error()));
  out.endpoint = std::move(*opened);
  co_return out;
}

asio::awaitable<Result<>> Service::close(InstanceId id, std::string name, bus::Actor actor) {
  return labs_.close_endpoint(std::move(id), std::move(name), std::move(actor));
}

}  // namespace tiltyard::ports
