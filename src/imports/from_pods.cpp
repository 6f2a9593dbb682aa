// Pods of Kubernetes as Klodd and rCTF have them: {name, ports[{port}], egress, spec{containers[…]}}; each pod is a
// machine. Keys of a container: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "imports/formats.h"

namespace tiltyard::imports {
namespace {

/// "500m", "2": processors. Below 0: none.
double processors(std::string text) {
  const bool thousandths = text.ends_with('m');
  if (thousandths) text.pop_back();
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0 && value < 1e6)) return -1;
  return thousandths ? value / 1000 : value;
}

/// "128Mi", "1G": bytes. Below 0: none.
std::int64_t bytes_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const std::string_view kUnits = "KMGT";
  double factor = 1;
  if (!unit.empty()) {
    const auto power = kUnits.find(unit[0] == 'k' ? 'K' : unit[0]);
    if (power == std::string_view::npos || (unit.size() > 1 && unit != std::string(1, unit[0]) + "i")) return -1;
    factor = std::pow(unit.size() > 1 ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  return value > 0 && value * factor < 1e15 ? static_cast<std::int64_t>(value * factor) : -1;
}

class Container {
 public:
  Container(const Origin& origin, Draft& draft, const Node& container, std::string prefix, std::string name, bool alone)
      : origin_(origin),
        draft_(draft),
        keys_(container, draft, std::move(prefix)),
        name_(std::move(name)),
        alone_(alone) {}

  Node service() {
    service_.kind = Node::Kind::kMap;
    image();
    words("command", "entrypoint");
    words("args", "command");
    environment();
    resources();
    security();
    if (const auto folder = keys_.text("workingDir"); !folder.empty()) service_.set("working_dir", {}, scalar(folder));
    for (const auto* key : {"name", "ports", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy"})
      keys_.skip(key);
    for (const auto* key : {"livenessProbe", "readinessProbe", "startupProbe"})
      keys_.cannot(key, "say [ready] in its instance.toml");
    for (const auto* key : {"volumeMounts", "volumeDevices", "lifecycle", "envFrom"})
      keys_.cannot(key, "there are no such things beside the machine");
    keys_.finish();
    return std::move(service_);
  }

 private:
  void image() {
    const auto image = keys_.text("image");
    if (image.empty()) return draft_.refuse(keys_.place("image"), keys_.name("image") + " is missing");
    if (const auto build = build_beside(origin_, draft_, name_, alone_); !build.empty()) {
      service_.set("build", {}, scalar(build));
      return draft_.changed(
          keys_.place("image"),
          fmt::format("{}: built from the Dockerfile beside it, not fetched as {}", keys_.name("image"), image));
    }
    service_.set("image", {}, scalar(without_dollars(image)));
  }

  void words(std::string_view from, const std::string& to) {
    std::vector<Node> words;
    for (const auto& word : keys_.texts(from, 16'000)) words.push_back(scalar(without_dollars(word)));
    if (!words.empty()) service_.set(to, {}, list_of(std::move(words)));
  }

  void environment() {
    const auto* list = keys_.take("env");
    if (!list) return;
    Node out = map_of({});
    for (const auto& item : list->items) {
      const auto name = text_in(item, "name");
      if (name.empty()) continue;
      if (name == "RCTF_FLAG" && draft_.format == "rctf") {
        out.set(name, {}, scalar("${RCTF_FLAG}"));
      } else if (item.find("valueFrom")) {
        draft_.cannot(item.place, fmt::format("{}: {} is taken from the cluster", keys_.name("env"), name));
      } else {
        out.set(name, {}, scalar(without_dollars(text_in(item, "value"))));
      }
    }
    if (!out.members.empty()) service_.set("environment", {}, std::move(out));
  }

  void resources() {
    const auto* said = keys_.find("resources");
    if (!said) return;
    Keys inner(*said, draft_, keys_.name("resources."));
    if (const auto* limits = inner.take("limits")) {
      const auto cpu = text_in(*limits, "cpu"), memory = text_in(*limits, "memory");
      if (!cpu.empty() && processors(cpu) > 0) service_.set("cpus", {}, plain(fmt::format("{}", processors(cpu))));
      else if (!cpu.empty()) draft_.refuse(limits->place, fmt::format("\"{}\" is no number of processors", cpu));
      if (!memory.empty() && bytes_of(memory) > 0)
        service_.set("mem_limit", {}, plain(std::to_string(bytes_of(memory))));
      else if (!memory.empty()) draft_.refuse(limits->place, fmt::format("\"{}\" is no size", memory));
    }
    inner.changed("requests", "processors and memory are limited, not reserved");
    inner.finish();
  }

  void security() {
    const auto* said = keys_.find("securityContext");
    if (!said) return;
    Keys inner(*said, draft_, keys_.name("securityContext."));
    if (inner.flag("readOnlyRootFilesystem").value_or(false)) service_.set("read_only", {}, plain("true"));
    if (inner.flag("privileged").value_or(false)) service_.set("privileged", {}, plain("true"));
    if (const auto user = inner.whole("runAsUser", 0, 4'294'967'294))
      service_.set("user", {}, scalar(std::to_string(*user)));
    if (const auto* capabilities = inner.take("capabilities")) {
      for (const auto& [from, to] : {std::pair("add", "cap_add"), std::pair("drop", "cap_drop")}) {
        const auto* list = capabilities->find(from);
        if (list && list->is_sequence()) service_.set(to, {}, *list);
      }
    }
    inner.skip("allowPrivilegeEscalation");
    inner.skip("runAsNonRoot");
    inner.cannot("seccompProfile", "the engine's own profile holds");
    inner.finish();
  }

  const Origin& origin_;
  Draft& draft_;
  Keys keys_;
  std::string name_;
  bool alone_;
  Node service_;
};

void read_pod(const Origin& origin, Draft& draft, const Node& pod, const std::string& prefix, bool alone,
              Node& services) {
  Keys keys(pod, draft, prefix);
  const auto name = keys.text("name");
  if (name.empty()) return draft.refuse(pod.place, prefix + "name is missing");
  std::vector<Node> ports;
  if (const auto* list = keys.take("ports")) {
    for (const auto& item : list->items) {
      const auto* port = item.find("port");
      if (const auto protocol = text_in(item, "protocol"); !protocol.empty() && protocol != "TCP")
        draft.cannot(item.place, fmt::format("{}: {} is not passed on", keys.name("ports"), protocol));
      else if (port) ports.push_back(scalar(port->text));
    }
  }
  if (keys.flag("egress").value_or(false))
    draft.cannot(keys.place("egress"),
                 keys.name("egress") +
                     ": only with the operator's allowance; write [network] egress = true in its instance.toml");
  const auto* spec = keys.find("spec");
  const auto* containers = spec ? spec->find("containers") : nullptr;
  if (!containers || containers->items.size() != 1 || !containers->items[0].is_map())
    return draft.refuse(
        keys.place("spec"),
        keys.name("spec") +
            ": a pod of one container is wanted; several share a host name and ports, which machines do not");
  Keys inner(*spec, draft, keys.name("spec."));
  auto service = Container(origin, draft, containers->items[0], keys.name("spec.containers."), name, alone).service();
  if (!ports.empty()) service.set("expose", {}, list_of(std::move(ports)));
  inner.skip("containers");
  for (const auto* key :
       {"automountServiceAccountToken", "enableServiceLinks", "restartPolicy", "terminationGracePeriodSeconds"})
    inner.skip(key);
  inner.cannot("volumes", "write them into a compose file");
  inner.finish();
  keys.finish();
  services.set(name, {}, std::move(service));
}

}  // namespace

void start_pods(const Origin& origin, Draft& draft, const Node& pods, const std::string& prefix) {
  if (!pods.is_sequence() || pods.items.empty()) return draft.refuse(pods.place, prefix + " takes a list of pods");
  Node services = map_of({});
  for (const auto& pod : pods.items) read_pod(origin, draft, pod, prefix + ".", pods.items.size() == 1, services);
  draft.machines.made = map_of({{"services", std::move(services)}});
}

}  // namespace tiltyard::imports
