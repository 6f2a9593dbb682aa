#include "labs/view.h"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "labs/lease.h"
#include "templates/templates.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

template <class Rep, class Period>
double in_ms(std::chrono::duration<Rep, Period> duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

json::value time_or_null(const std::optional<TimePoint>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::value endpoint_view(const Instance& instance, const PlannedEndpoint& endpoint, const PublicAddress& address) {
  if (owns_port(endpoint.kind)) {
    return {
        {"name", endpoint.name}, {"kind", word_of(endpoint.kind)}, {"host", address.tcp_host}, {"port", endpoint.port}};
  }
  const bool standard =
      (address.scheme == "http" && address.port == 80) || (address.scheme == "https" && address.port == 443);
  const std::string port = standard ? "" : fmt::format(":{}", address.port);
  const auto hosts = hosts_of(instance, endpoint);
  const std::string label = hosts.empty() ? "" : hosts.front();
  return {{"name", endpoint.name},
          {"kind", word_of(endpoint.kind)},
          {"url", fmt::format("{}://{}.{}{}/", address.scheme, label, address.domain, port)}};
}

json::value queue_view(const Service& service, const Instance& instance) {
  if (instance.state != InstanceState::kQueued) return nullptr;
  const auto place = service.queue_place(instance.id);
  if (!place) return nullptr;
  return {{"position", place->position}, {"eta_ms", in_ms(place->eta)}};
}

json::value progress_view(const Service& service, const Instance& instance) {
  const auto live = service.live(instance.id);
  const bool under_way = instance.state == InstanceState::kPreparing || instance.state == InstanceState::kStarting ||
                         instance.state == InstanceState::kStopping;
  if (!live || !under_way) return nullptr;
  json::value expected = nullptr;
  if (instance.state == InstanceState::kStopping) expected = nullptr;
  else if (const auto usual = service.usual_start(instance.tmpl)) expected = in_ms(*usual);
  else if (live->tmpl) expected = in_ms(live->tmpl->expected_boot);
  const Making none;
  const Making& making = live->making ? *live->making : none;
  return {{"step", making.step},
          {"done", making.steps_done},
          {"total", making.steps_total},
          {"elapsed_ms", in_ms(std::chrono::steady_clock::now() - live->step_clock)},
          {"expected_ms", expected}};
}

json::value extendable_view(const Instance& instance) {
  if (instance.state != InstanceState::kRunning && instance.state != InstanceState::kPaused) return nullptr;
  if (!instance.started_at || !instance.expires_at) return nullptr;
  return time_or_null(
      extendable_at(instance.lease, {*instance.started_at, *instance.expires_at, instance.extensions, instance.added}));
}

/// What the next extension adds, in seconds: the policy's step, or what is left of what may be added.
std::int64_t extension_view(const Instance& instance) {
  if (!instance.started_at || !instance.expires_at) return instance.lease->extend_by.count();
  return next_extension(instance.lease,
                        {*instance.started_at, *instance.expires_at, instance.extensions, instance.added})
      .count();
}

/// "1 h", "30 min", "7 d", "90 s": as short as it can be said exactly.
std::string words(std::chrono::seconds length) {
  const auto count = length.count();
  if (count > 0 && count % 86'400 == 0) return fmt::format("{} d", count / 86'400);
  if (count > 0 && count % 3'600 == 0) return fmt::format("{} h", count / 3'600);
  if (count > 0 && count % 60 == 0) return fmt::format("{} min", count / 60);
  return fmt::format("{} s", count);
}

std::string lease_text(const templates::LeasePolicy& lease) {
  std::string text = words(lease.timeout);
  if (lease.extend_by <= std::chrono::seconds{0}) return text + ", cannot be extended";
  text += ", extendable by " + words(lease.extend_by);
  if (lease.max_extensions > 0)
    text += fmt::format(" {}", lease.max_extensions == 1 ? "once" : fmt::format("{} times", lease.max_extensions));
  if (lease.extend_after > std::chrono::seconds{0}) text += " after " + words(lease.extend_after);
  if (lease.extend_within > std::chrono::seconds{0}) text += " in the last " + words(lease.extend_within);
  if (lease.max_added > std::chrono::seconds{0}) text += ", at most " + words(lease.max_added) + " more";
  if (lease.max_total > std::chrono::seconds{0}) text += ", never past " + words(lease.max_total);
  return text;
}

json::value build_view(const templates::Entry& entry) {
  if (!entry.build) return nullptr;
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  return {{"step", entry.build->step},
          {"steps", entry.build->steps},
          {"text", entry.build->text},
          {"started_at", to_rfc3339(entry.build->started_at)},
          {"elapsed_ms", std::max(0.0, in_ms(now - entry.build->started_at))},
          {"usual_ms", entry.build->usual ? json::value(in_ms(*entry.build->usual)) : json::value(nullptr)}};
}

std::string_view word(templates::State state) {
  switch (state) {
    case templates::State::kReady:
      return "ready";
    case templates::State::kBuilding:
      return "building";
    case templates::State::kWaiting:
      return "waiting";
    case templates::State::kBroken:
      return "broken";
    case templates::State::kInactive:
      return "inactive";
  }
  return "broken";
}

json::value credentials_view(const Rare<Credentials>& credentials) {
  if (!credentials) return nullptr;
  return {{"user", credentials->user}, {"password", credentials->password.reveal()}};
}

/// What everybody signs in with; null also where each owner has a password of their own.
json::value credentials_view(const templates::Template& tmpl) {
  if (!tmpl.credentials || tmpl.credentials->per_owner) return nullptr;
  return {{"user", tmpl.credentials->user}, {"password", tmpl.credentials->password}};
}

json::object limits_view(const templates::Template& tmpl) {
  // What one instance may use in all.
  double cpus = 0;
  std::int64_t memory = 0, pids = 0;
  for (const auto& service : tmpl.services) {
    cpus += service.machine.resources.cpus;
    memory += service.machine.resources.memory;
    pids += service.machine.resources.pids;
  }
  return {{"cpus", cpus}, {"memory_bytes", memory}, {"pids", pids}};
}

/// Whether a start is a hand-over of something that waits already.
json::value pool_view(const Service& service, const TemplateId& tmpl) {
  for (const auto& pool : service.pools()) {
    if (pool.tmpl != tmpl) continue;
    return {{"kind", std::string(to_string(pool.kind))},
            {"ready", pool.ready},
            {"target", pool.target},
            {"reason", pool.reason.empty() ? json::value(nullptr) : json::value(pool.reason)}};
  }
  return nullptr;
}

}  // namespace

json::object instance_view(const Service& service, const Instance& instance, const PublicAddress& address) {
  json::array endpoints, machines;
  const bool open = is_up(instance.state);
  if (open) {
    for (const auto& endpoint : instance.plan.endpoints)
      endpoints.push_back(endpoint_view(instance, endpoint, address));
  }
  for (const auto& machine : instance.plan.machines) {
    const auto health = to_string(machine.health);
    machines.push_back({{"name", machine.service},
                        {"state", std::string(to_string(machine.state))},
                        {"health", health.empty() ? json::value(nullptr) : json::value(std::string(health))}});
  }
  const auto unreachable = service.unreachable(instance);
  json::object timings;
  for (const auto& [name, took] : instance.timings) timings[name] = in_ms(took);
  json::value reason = nullptr;
  if (instance.reason) reason = {{"code", instance.reason->code}, {"text", instance.reason->text}};
  json::value team = nullptr;
  if (!instance.team.empty()) team = {{"id", instance.team}, {"name", instance.owner_name}};
  return {{"id", instance.id.str()},
          {"template", instance.tmpl.str()},
          {"template_name", *instance.template_name},
          {"owner", {{"id", instance.owner}, {"name", instance.owner_name}, {"team", team}}},
          {"state", std::string(to_string(instance.state))},
          {"reason", reason},
          {"engine", service.engine_name_of(instance)},
          {"unreachable", unreachable ? json::value(unreachable->message) : json::value(nullptr)},
          {"created_at", to_rfc3339(instance.created_at)},
          {"started_at", time_or_null(instance.started_at)},
          {"ended_at", time_or_null(instance.ended_at)},
          {"expires_at", time_or_null(instance.expires_at)},
          {"extendable_at", extendable_view(instance)},
          {"extend_s", extension_view(instance)},
          {"queue", queue_view(service, instance)},
          {"progress", progress_view(service, instance)},
          {"endpoints", std::move(endpoints)},
          {"machines", std::move(machines)},
          {"credentials", open ? credentials_view(instance.credentials) : json::value(nullptr)},
          {"timings_ms", std::move(timings)}};
}

json::object template_view(const Service& service, const templates::Entry& entry, bool for_staff) {
  const auto tmpl = service.overridden(entry.tmpl);
  json::array endpoints;
  for (const auto& endpoint : tmpl->endpoints) {
    endpoints.push_back({{"name", endpoint.name},
                         {"kind", word_of(endpoint.kind)},
                         {"machine", endpoint.machine},
                         {"port", endpoint.port}});
  }
  auto state = entry.state;
  if (state == templates::State::kReady && !tmpl->active) state = templates::State::kInactive;
  const auto usual = service.usual_start(tmpl->id);
  json::object out{{"id", tmpl->id.str()},
                   {"name", tmpl->name},
                   {"category", tmpl->category},
                   {"description", tmpl->description},
                   {"active", tmpl->active},
                   {"state", std::string(word(state))},
                   {"reason", entry.reason.empty() ? json::value(nullptr) : json::value(entry.reason)},
                   {"build", build_view(entry)},
                   {"endpoints", std::move(endpoints)},
                   {"machines", tmpl->services.size()},
                   {"lease",
                    {{"policy", tmpl->lease.name},
                     {"timeout_s", tmpl->lease.timeout.count()},
                     {"extend_s", tmpl->lease.extend_by.count()},
                     {"text", lease_text(tmpl->lease)}}},
                   {"expected_boot_ms", in_ms(tmpl->expected_boot)},
                   {"usual_start_ms", usual ? json::value(in_ms(*usual)) : json::value(nullptr)},
                   {"pool", pool_view(service, tmpl->id)},
                   {"cost_centre", tmpl->cost_centre},
                   {"limits", limits_view(*tmpl)},
                   {"credentials", credentials_view(*tmpl)}};
  if (for_staff) {
    json::array problems;
    for (const auto& problem : tmpl->problems) {
      problems.push_back({{"severity", problem.severity == templates::Problem::Severity::kError ? "error" : "warning"},
                          {"file", problem.file},
                          {"line", problem.line},
                          {"message", problem.message}});
    }
    out["problems"] = std::move(problems);
  }
  return out;
}

}  // namespace tiltyard::labs
