// Who may start what: limits, and the plan that is written before anything is made.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/failpoint.h"
#include "labs/lease.h"
#include "labs/service.h"
#include "observe/log.h"
#include "templates/events.h"

namespace tiltyard::labs {
namespace {

/// Eight characters of the owner's id for names: its end, because ULIDs of one day begin alike.
std::string short_owner(const std::string& owner) {
  std::string letters;
  for (const char c : owner) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      letters.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
  }
  if (letters.size() > 8) letters.erase(0, letters.size() - 8);
  return letters.empty() ? "nobody" : letters;
}

std::string address_of(const Plan& plan, const std::string& service) {
  for (const auto& machine : plan.machines) {
    if (machine.service == service && !machine.attachments.empty()) return machine.attachments.front().address;
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const templates::Template>> Service::startable(const TemplateId& id) const {
  auto entry = parts_.catalogue.find(id);
  if (!entry) {
    return fail(Code::kNotFound, "template-unknown", fmt::format("There is no template '{}'.", id.str().substr(0, 80)));
  }
  auto tmpl = overridden(entry->tmpl);
  switch (entry->state) {
    case templates::State::kBroken:
      return fail(Code::kConflict, "template-broken", "This template is broken: " + entry->reason);
    case templates::State::kBuilding:
    case templates::State::kWaiting:
      return fail(Code::kConflict, "template-not-ready", "This template's images are not there yet: " + entry->reason);
    default:
      break;
  }
  if (!tmpl->active) {
    return fail(Code::kConflict, "template-inactive", "This template is switched off at the moment.");
  }
  return tmpl;
}

const Override* Service::override_of(const TemplateId& id) const {
  const auto found = overrides_.find(id);
  return found == overrides_.end() ? nullptr : &found->second;
}

std::shared_ptr<const templates::Template> Service::overridden(std::shared_ptr<const templates::Template> tmpl) const {
  const auto* change = override_of(tmpl->id);
  if (!change) return tmpl;
  // One for all who ask: instances hold on to it.
  auto& known = changed_[tmpl->id];
  if (known.of == tmpl) return known.changed;
  auto changed = std::make_shared<templates::Template>(*tmpl);
  changed->active = change->active.value_or(changed->active);
  changed->max_instances = change->max_instances.value_or(changed->max_instances);
  changed->pool.min = change->pool_min.value_or(changed->pool.min);
  changed->pool.max = std::max(change->pool_max.value_or(changed->pool.max), changed->pool.min);
  if (change->timeout) {
    changed->lease.timeout = *change->timeout;
    if (changed->lease.name == "ctf") {
      changed->lease.extend_after = *change->timeout / 2;
      changed->lease.max_added = *change->timeout;
    }
  }
  changed->lease.extend_by = change->extend_by.value_or(changed->lease.extend_by);
  for (auto& service : changed->services) {
    auto& resources = service.machine.resources;
    resources.cpus = change->cpus.value_or(resources.cpus);
    resources.pids = change->pids.value_or(resources.pids);
    if (change->memory) resources.memory = resources.memory_swap = *change->memory;
  }
  known = {std::move(tmpl), changed};
  return changed;
}

Result<> Service::admit(const identity::Principal& who, const templates::Template& tmpl) const {
  if (closing_) return fail(Code::kUnavailable, "shutting-down", "The server is shutting down; try again in a moment.");
  if (auto away = parts_.engine.away()) {
    return fail(Code::kUnavailable, "engine-unavailable",
                "The engine that runs machines is away; we go on by ourselves when it is back. " + away->message,
                away->cause);
  }
  const std::string owner = who.owner();
  std::size_t of_template = 0, of_all = 0;
  for (const auto& live : live_) {
    const bool waits = live->instance.pool == PoolRole::kWaiting && !live->claimant;
    if (waits) continue;
    ++of_all;
    if (live->instance.tmpl != tmpl.id) continue;
    ++of_template;
    const bool theirs = live->instance.owner == owner || (live->claimant && *live->claimant == owner);
    if (!theirs) continue;
    Error exists{
        Code::kConflict, "instance-exists", "You already run this template; stop that instance first.", {}, {}};
    return fail(std::move(exists).with("instance_id", live->instance.id.str()));
  }
  const auto over = [](const char* what, std::size_t limit, std::size_t current, std::string message) {
    Error error{Code::kLimited, "limit-reached", std::move(message), {}, {}};
    return fail(std::move(error)
                    .with("limited_by", what)
                    .with("limit", std::to_string(limit))
                    .with("current", std::to_string(current)));
  };
  const auto mine = by_owner_.find(owner);
  const std::size_t current = mine == by_owner_.end() ? 0 : mine->second;
  if (current >= options_.instances_per_owner) {
    return over("instances_per_owner", options_.instances_per_owner, current,
                fmt::format("You run {} instances, which is the limit; stop one first.", current));
  }
  if (of_all >= options_.instances_total) {
    return over("instances_total", options_.instances_total, of_all, "The range is full; try again later.");
  }
  if (tmpl.max_instances > 0 && of_template >= static_cast<std::size_t>(tmpl.max_instances)) {
    return over("max_instances", static_cast<std::size_t>(tmpl.max_instances), of_template,
                "All instances of this template are taken; try again later.");
  }
  if (queue_.size() >= options_.queue_limit) {
    return fail(Code::kUnavailable, "queue-full", "Too many people wait already; try again in a minute.");
  }
  return {};
}

asio::awaitable<Result<Instance>> Service::request(identity::Principal who, TemplateId id, std::string context,
                                                   std::string address) {
  auto tmpl = startable(id);
  if (!tmpl) co_return fail(std::move(tmpl.error()));
  // Asked before the places are looked at, because between that look and taking one nothing may be awaited.
  auto isolated = co_await parts_.engine.ensure_isolation();
  if (!isolated && !parts_.engine.away()) {
    co_return fail(Code::kUnavailable, "isolation-unavailable",
                   "Machines cannot be kept apart at the moment, so none starts. " + isolated.error().message,
                   isolated.error().cause);
  }
  auto admitted = admit(who, **tmpl);
  if (!admitted) co_return fail(std::move(admitted.error()));
  const bus::Actor actor(who.name, who.user.str(), std::move(address));
  if (auto waiting = take(**tmpl))
    co_return co_await claim(std::move(waiting), std::move(who), std::move(context), actor);

  auto live = std::make_shared<Live>();
  live->tmpl = *tmpl;
  live->step_clock = std::chrono::steady_clock::now();
  Instance& instance = live->instance;
  instance.tmpl = (*tmpl)->id;
  instance.owner = who.owner();
  instance.owner_name = who.team ? who.team_name : who.name;
  instance.id = InstanceId(fmt::format("{}-{}-{}", instance.tmpl.str(), short_owner(instance.owner), random_hex(4)));
  instance.follow(*tmpl);
  instance.user = who.user;
  instance.team = who.team ? who.team->str() : "";
  instance.context = std::move(context);
  instance.credentials = draw_credentials(**tmpl);
  instance.created_at = parts_.clock.now();

  // From here on the places are taken, before the first await: no second call can slip in between.
  live_.insert(live);
  ++by_owner_[instance.owner];
  const bool at_once = queue_.empty() && room();
  if (at_once) ++spawning_;
  // Ours from here on: an engine that comes back meanwhile finds it in hand, and does not start it a second time.
  live->busy = at_once;
  Result<> placed;
  if (at_once) {
    instance.state = InstanceState::kPreparing;
    placed = co_await plan(live);
  } else {
    queue_.push_back(live);
    note_estimate(*live);
  }
  if (placed) {
    auto event = event_of(instance, events::kAsked, actor);
    auto before = co_await failpoint("labs.admit.commit.before");
    placed = before ? co_await rows_.insert(instance, std::move(event)) : std::move(before);
    co_await failpoint("labs.admit.commit.after");
  }
  if (!placed) {
    if (at_once) spawn_ended();
    else std::erase(queue_, live);
    forget(live);
    co_return fail(std::move(placed.error()));
  }
  announce(*live, events::kAsked, actor);
  if (at_once) begin(live, "spawn", spawn(live));
  else pump();
  co_return live->instance;
}

/// Gives every name, address and port that the instance will use.
asio::awaitable<Result<>> Service::plan(LiveRef live) {
  Instance& instance = live->instance;
  const auto tmpl = live->tmpl;
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
  if (instance.pool == PoolRole::kWaiting) co_return Result<>{};  // at the claim, when there is an owner
  auto given = co_await give_ports(&instance);
  if (!given) release(*live);
  co_return given;
}

/// To each raw TCP endpoint without one: the port that the owner had before, if it is free.
asio::awaitable<Result<>> Service::give_ports(Instance* instance) {
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

void Service::release_ports(const Instance& instance) {
  for (const auto& endpoint : instance.plan.endpoints) {
    if (endpoint.port != 0) parts_.lanes.release(endpoint.port);
  }
}

/// Gives back what the plan holds in memory: addresses and ports.
void Service::release(Live& live) {
  addresses_->release(live.instance.plan);
  release_ports(live.instance);
}

asio::awaitable<Result<>> Service::set_override(TemplateId id, Override change, bus::Actor actor) {
  bus::Event event{events::kTemplateOverride, id.str(), "", actor, parts_.clock.now(), "{}"};
  auto saved = co_await rows_.set_override(id, change, event);
  if (!saved) co_return saved;
  overrides_[id] = std::move(change);
  changed_.erase(id);
  // What waits was made with the limits of before.
  if (const auto shelf = shelves_.find(id); shelf != shelves_.end()) {
    const auto waiting = shelf->second.ready;
    for (const auto& live : waiting) discard(live);
  }
  event.kind = templates::events::kChanged;
  parts_.bus.publish(event);
  co_return Result<>{};
}

}  // namespace tiltyard::labs
