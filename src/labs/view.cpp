#include "labs/view.h"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "labs/lease.h"

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

json::value credentials_view(const Rare<Credentials>& credentials) {
  if (!credentials) return nullptr;
  return {{"user", credentials->user}, {"password", credentials->password.reveal()}};
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

json::object endpoint_view(const Instance& instance, const PlannedEndpoint& endpoint, const PublicAddress& address) {
  if (owns_port(endpoint.kind)) {
    return {{"name", endpoint.name},
            {"kind", word_of(endpoint.kind)},
            {"host", address.tcp_host},
            {"port", endpoint.port},
            {"door", word_of(settled(endpoint.door, address.owner_only))}};
  }
  const auto hosts = hosts_of(instance, endpoint);
  const std::string label = hosts.empty() ? "" : hosts.front();
  if (!speaks_http(endpoint.kind)) {
    return {{"name", endpoint.name},
            {"kind", word_of(endpoint.kind)},
            {"host", fmt::format("{}.{}", label, address.domain)},
            {"port", address.tls_port},
            {"tls", word_of(endpoint.handover.tls)},
            {"door", word_of(settled(endpoint.door, address.owner_only))}};
  }
  const bool standard =
      (address.scheme == "http" && address.port == 80) || (address.scheme == "https" && address.port == 443);
  const std::string port = standard ? "" : fmt::format(":{}", address.port);
  return {{"name", endpoint.name},
          {"kind", word_of(endpoint.kind)},
          {"url", fmt::format("{}://{}.{}{}/", address.scheme, label, address.domain, port)},
          {"door", word_of(settled(endpoint.door, address.owner_only))}};
}

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
          {"recorded", instance.plan.record_terminals ? json::array{"terminal"} : json::array{}},
          {"credentials", open ? credentials_view(instance.credentials) : json::value(nullptr)},
          {"timings_ms", std::move(timings)}};
}

void add_facts(const Service& service, const TemplateId& tmpl, json::object& view) {
  const auto usual = service.usual_start(tmpl);
  view["usual_start_ms"] = usual ? json::value(in_ms(*usual)) : json::value(nullptr);
  view["pool"] = pool_view(service, tmpl);
}

}  // namespace tiltyard::labs
