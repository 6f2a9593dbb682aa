#include "labs/openings.h"

#include <fmt/format.h>
#include <sodium/randombytes.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/failpoint.h"
#include "gateway/port_lanes.h"
#include "labs/reasons.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPublishedWithin{30};
/// Of one instance, those of its template among them: each is a part of every loop's table.
constexpr std::size_t kMostEndpoints = 64;

auto find_endpoint(Instance& instance, const std::string& name) {
  return std::ranges::find(instance.plan.endpoints, name, &PlannedEndpoint::name);
}

std::string detail_of(const Instance& instance, const PlannedEndpoint& endpoint) {
  const boost::json::object detail{{"template", instance.tmpl.str()}, {"state", std::string(to_string(instance.state))},
                                   {"endpoint", endpoint.name},       {"machine", endpoint.machine},
                                   {"port", endpoint.machine_port},   {"kind", std::string(word_of(endpoint.kind))}};
  return boost::json::serialize(detail);
}

bool is_closed(const PlannedEndpoint& endpoint) {
  return endpoint.door != Door::kUnsaid && endpoint.door != Door::kOpen;
}

}  // namespace

asio::awaitable<Result<PlannedEndpoint>> Openings::open(InstanceId id, Opening wanted, bus::Actor actor) {
  auto live = co_await instances_.up_and_free(std::move(id));
  if (!live) co_return fail(std::move(live.error()));
  auto endpoint = planned((*live)->instance, wanted);
  if (!endpoint) co_return fail(std::move(endpoint.error()));
  const auto change = std::make_shared<Change>(std::move(*endpoint), std::move(actor));
  auto done = co_await carry_out(*live, change, &Openings::add);
  if (!done) co_return fail(std::move(done.error()));
  co_return change->endpoint;
}

asio::awaitable<Result<>> Openings::close(InstanceId id, std::string name, bus::Actor actor) {
  auto live = co_await instances_.up_and_free(std::move(id));
  if (!live) co_return fail(std::move(live.error()));
  auto& instance = (*live)->instance;
  const auto found = find_endpoint(instance, name);
  if (found == instance.plan.endpoints.end()) {
    co_return fail(Code::kNotFound, reason::kEndpointUnknown,
                   fmt::format("The instance has no endpoint '{}'.", name.substr(0, 60)));
  }
  if (!found->opened) {
    co_return fail(Code::kConflict, "endpoint-fixed",
                   fmt::format("Endpoint '{}' is one of the template's and cannot be closed.", name));
  }
  const auto change = std::make_shared<Change>(*found, std::move(actor));
  co_return co_await carry_out(*live, change, &Openings::remove);
}

Result<PlannedEndpoint> Openings::planned(const Instance& instance, const Opening& wanted) const {
  const auto& plan = instance.plan;
  auto service = wanted.machine;
  if (service.empty() && !plan.endpoints.empty()) service = plan.endpoints.front().machine;
  const auto machine = std::ranges::find_if(
      plan.machines, [&](const PlannedMachine& one) { return service.empty() || one.service == service; });
  if (machine == plan.machines.end() || machine->attachments.empty()) {
    return fail(Code::kNotFound, reason::kMachineUnknown,
                fmt::format("The instance has no machine '{}' on a network.", service.substr(0, 60)));
  }
  PlannedEndpoint endpoint;
  endpoint.name = wanted.name;
  if (endpoint.name.empty()) {
    const auto* over = transport_of(wanted.kind) == Transport::kUdp ? "-udp" : "";
    endpoint.name = fmt::format("{}-{}{}", machine->service.substr(0, 24), wanted.machine_port, over);
  }
  endpoint.machine = machine->service;
  endpoint.address = machine->attachments.front().address;
  endpoint.machine_port = wanted.machine_port;
  endpoint.kind = wanted.kind;
  endpoint.opened = true;
  // Where the template keeps anything for its owner alone, no second way in is everybody's.
  if (std::ranges::any_of(plan.endpoints, &is_closed)) endpoint.door = Door::kOwner;
  for (const auto& one : plan.endpoints) {
    const bool same = one.machine == endpoint.machine && one.machine_port == endpoint.machine_port &&
                      transport_of(one.kind) == transport_of(endpoint.kind);
    if (!same && one.name != endpoint.name) continue;
    return fail(Error{
        Code::kConflict,
        "port-open",
        fmt::format("Port {} of machine '{}' is open already, as endpoint '{}'.", one.machine_port, one.machine,
                    one.name),
        {},
        {}}.with("endpoint", one.name));
  }
  if (plan.endpoints.size() >= kMostEndpoints) {
    return fail(Code::kLimited, "too-many-endpoints",
                fmt::format("An instance has at most {} endpoints; close one first.", kMostEndpoints));
  }
  // Whoever knows the name is let in.
  if (!owns_port(endpoint.kind)) randombytes_buf(endpoint.host.data(), endpoint.host.size());
  return endpoint;
}

/// It goes on when who asked for it has gone, and a stop that comes meanwhile follows it.
asio::awaitable<Result<>> Openings::carry_out(LiveRef live, ChangeRef change,
                                              asio::awaitable<void> (Openings::*work)(LiveRef, ChangeRef)) {
  if (!live->free())
    co_return fail(Code::kUnavailable, "instance-busy", "The instance is busy; try again in a moment.");
  instances_.start(Hold(live, Doing::kRerouting), "reroute", (this->*work)(live, change));
  while (!change->over) co_await live->changed.wait_for(std::chrono::seconds{1});
  co_return change->result;
}

asio::awaitable<void> Openings::add(LiveRef live, ChangeRef change) {
  auto& instance = live->instance;
  auto& endpoint = change->endpoint;
  // What is saved of the instance meanwhile must not have an endpoint without its port.
  Instance draft;
  draft.owner = instance.owner;
  draft.tmpl = instance.tmpl;
  draft.plan.endpoints = instance.plan.endpoints;
  draft.plan.endpoints.push_back(endpoint);
  auto done = co_await planner_.give_ports(&draft);
  if (done) {
    endpoint = draft.plan.endpoints.back();
    done = co_await failpoint("labs.port.row.before");
    // In memory first: what else is saved of the instance meanwhile then says the same.
    if (done) instance.plan.endpoints.push_back(endpoint);
    if (done) done = co_await write(live, events::kPortOpened, *change);
    if (done) done = co_await failpoint("labs.port.row.after");
    if (done) done = co_await publish_and_note(live, change);
    if (done) {
      co_await failpoint("labs.port.open.after");
      change->result = Result<>{};
      change->over = true;
      live->changed.pulse();
      co_return;
    }
  }
  log::warn("labs", "a port could not be opened",
            {{"instance", instance.id.str()}, {"reason", done.error().reason}, {"cause", done.error().cause}});
  change->result = std::move(done);
  change->over = true;
  live->changed.pulse();
  const auto found = find_endpoint(instance, endpoint.name);
  if (found != instance.plan.endpoints.end()) {
    endpoint.port = found->port;
    instance.plan.endpoints.erase(found);
    co_await instances_.save_surely(live, events::kPortClosed);
    co_await publish(live);
  }
  if (endpoint.port != 0) parts_.lanes.release(endpoint.port, transport_of(endpoint.kind));
}

asio::awaitable<void> Openings::remove(LiveRef live, ChangeRef change) {
  auto& instance = live->instance;
  auto done = co_await failpoint("labs.port.close.before");
  const auto found = find_endpoint(instance, change->endpoint.name);
  if (done) {
    const auto at = found - instance.plan.endpoints.begin();
    instance.plan.endpoints.erase(found);
    done = co_await write(live, events::kPortClosed, *change);
    // Nothing but us changes the list while we have the instance in hand.
    if (!done) instance.plan.endpoints.insert(instance.plan.endpoints.begin() + at, change->endpoint);
  }
  if (done) {
    done = co_await failpoint("labs.port.close.after");
    if (done) done = co_await publish(live);
    // Also when that failed, or was cut by the instance's end: the plan knows nothing of the port any more, so that
    // nobody else gives it back. While the gateway still listens there it is not free.
    if (change->endpoint.port != 0) parts_.lanes.release(change->endpoint.port, transport_of(change->endpoint.kind));
  }
  change->result = std::move(done);
  change->over = true;
  live->changed.pulse();
}

/// Its port may have turned out to be somebody else's: then it has another one, which is written down as well.
asio::awaitable<Result<>> Openings::publish_and_note(LiveRef live, ChangeRef change) {
  auto published = co_await publish(live);
  if (!published) co_return published;
  const auto found = find_endpoint(live->instance, change->endpoint.name);
  if (found->port == change->endpoint.port) co_return published;
  change->endpoint.port = found->port;
  co_return co_await write(live, events::kPortOpened, *change);
}

/// The step that publishes says what there is of the plan as a whole.
asio::awaitable<Result<>> Openings::publish(LiveRef live) {
  for (const auto& step : saga_.steps()) {
    if (step.name != "routes") continue;
    co_return co_await saga_.make_step(live, step.step.get(), SteadyClock::now() + kPublishedWithin);
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Openings::write(LiveRef live, bus::KindRef kind, const Change& change) {
  auto event = instances_.event_of(live->instance, kind, change.actor);
  event.detail = detail_of(live->instance, change.endpoint);
  auto saved = co_await rows_.update(live->instance, std::move(event));
  if (saved) instances_.announce(*live, kind, change.actor);
  co_return saved;
}

}  // namespace tiltyard::labs
