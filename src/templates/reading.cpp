#include "templates/reading.h"

#include <boost/json/array.hpp>

#include <fmt/format.h>

namespace tiltyard::templates {
namespace {

namespace json = boost::json;

json::array texts(const auto& list) {
  json::array out;
  for (const auto& one : list) out.emplace_back(one);
  return out;
}

json::object pairs(const std::map<std::string, std::string>& map) {
  json::object out;
  for (const auto& [name, value] : map) out[name] = value;
  return out;
}

std::string_view word_of(DependsOn how) {
  if (how == DependsOn::kHealthy) return "service_healthy";
  return how == DependsOn::kCompleted ? "service_completed_successfully" : "service_started";
}

json::object health_json(const engine::HealthCheck& health) {
  if (health.disabled) return {{"disable", true}};
  return {{"test", texts(health.test)},
          {"interval_ms", health.interval.count()},
          {"timeout_ms", health.timeout.count()},
          {"start_period_ms", health.start_period.count()},
          {"retries", health.retries}};
}

json::array mounts_json(const Service& service) {
  json::array out;
  for (const auto& bind : service.binds) {
    out.push_back(
        json::object{{"type", "bind"}, {"source", bind.path}, {"target", bind.target}, {"read_only", bind.read_only}});
  }
  for (const auto& volume : service.volumes) {
    out.push_back(json::object{
        {"type", "volume"}, {"source", volume.volume}, {"target", volume.target}, {"read_only", volume.read_only}});
  }
  for (const auto& mount : service.container.mounts) {
    if (mount.kind == engine::Mount::Kind::kTmpfs) {
      out.push_back(json::object{{"type", "tmpfs"},
                                 {"target", mount.target},
                                 {"size", mount.tmpfs_size},
                                 {"mode", fmt::format("{:o}", mount.tmpfs_mode)}});
    } else {
      out.push_back(json::object{{"type", mount.kind == engine::Mount::Kind::kBind ? "bind" : "volume"},
                                 {"source", mount.source},
                                 {"target", mount.target},
                                 {"read_only", mount.read_only}});
    }
  }
  return out;
}

json::object limits_json(const engine::Resources& limits) {
  json::object ulimits;
  for (const auto& one : limits.ulimits) ulimits[one.name] = json::object{{"soft", one.soft}, {"hard", one.hard}};
  return {{"cpus", limits.cpus},          {"memory", limits.memory}, {"memory_and_swap", limits.memory_swap},
          {"pids", limits.pids},          {"disk", limits.disk},     {"shm", limits.shm},
          {"ulimits", std::move(ulimits)}};
}

json::object environment_json(const std::vector<std::string>& environment) {
  json::object out;
  for (const auto& one : environment) out[one.substr(0, one.find('='))] = one.substr(one.find('=') + 1);
  return out;
}

void set_if(json::object& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out[name] = text;
}

void add_program(const engine::Container& container, json::object& out) {
  if (container.entrypoint) out["entrypoint"] = texts(*container.entrypoint);
  if (container.command) out["command"] = texts(*container.command);
  out["environment"] = environment_json(container.environment);
  set_if(out, "user", container.user);
  set_if(out, "working_dir", container.working_dir);
  set_if(out, "stop_signal", container.stop_signal);
  out["restart"] = container.restart.empty() ? "no" : container.restart;
  out["init"] = container.init;
  out["read_only"] = container.read_only;
  out["tty"] = container.terminal;
  out["stdin_open"] = container.open_stdin;
  out["capabilities"] = texts(container.capabilities);
  out["sysctls"] = pairs(container.sysctls);
  if (container.health) out["healthcheck"] = health_json(*container.health);
}

void add_surroundings(const Service& service, json::object& out) {
  json::object depends, networks, hosts;
  for (const auto& [name, how] : service.depends_on) depends[name] = word_of(how);
  for (const auto& use : service.networks) networks[use.network] = texts(use.aliases);
  for (const auto& [name, to] : service.extra_hosts) hosts[name] = to;
  out["depends_on"] = std::move(depends);
  out["networks"] = std::move(networks);
  out["extra_hosts"] = std::move(hosts);
  json::array ports;
  for (const auto port : service.ports) ports.emplace_back(port);
  for (const auto port : service.udp_ports) ports.emplace_back(fmt::format("{}/udp", port));
  out["ports"] = std::move(ports);
  out["mounts"] = mounts_json(service);
}

json::object service_json(const Template& tmpl, const Service& service) {
  json::object out{{"image", service.machine.image}};
  if (service.build) {
    std::string context = service.build->context;
    if (context.starts_with(tmpl.folder)) context = "." + context.substr(tmpl.folder.size());
    out["build"] = json::object{{"context", context},
                                {"dockerfile", service.build->dockerfile},
                                {"target", service.build->target},
                                {"args", pairs(service.build->args)}};
  }
  add_program(service.container, out);
  set_if(out, "hostname", service.machine.hostname);
  set_if(out, "domainname", service.machine.domain);
  if (service.machine.stop_grace) out["stop_grace_ms"] = service.machine.stop_grace->count();
  out["labels"] = pairs(service.machine.labels);
  add_surroundings(service, out);
  out["limits"] = limits_json(service.machine.resources);
  return out;
}

}  // namespace

json::object reading_json(const Template& tmpl) {
  json::object services, networks;
  for (const auto& service : tmpl.services) services[service.name] = service_json(tmpl, service);
  for (const auto& network : tmpl.networks) networks[network.name] = json::object{{"internal", network.internal}};
  json::array endpoints;
  for (const auto& one : tmpl.endpoints) {
    endpoints.push_back(json::object{
        {"name", one.name}, {"machine", one.machine}, {"port", one.port}, {"kind", tiltyard::word_of(one.kind)}});
  }
  return {{"id", tmpl.id.str()},
          {"broken", tmpl.broken()},
          {"services", std::move(services)},
          {"networks", std::move(networks)},
          {"volumes", texts(tmpl.volumes)},
          {"endpoints", std::move(endpoints)}};
}

}  // namespace tiltyard::templates
