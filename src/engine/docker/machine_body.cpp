#include "engine/docker/machine_body.h"

#include <fmt/format.h>
#include <sodium/crypto_generichash.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "engine/docker/restarts.h"

namespace tiltyard::engine::docker {
namespace {

namespace json = boost::json;

constexpr std::int64_t kDefaultPids = 256;  // stops a fork bomb where the spec does not say how many are needed
constexpr std::int64_t kDefaultTmpfs = 64 * 1024 * 1024;

json::array strings(const std::vector<std::string>& values) {
  json::array out;
  out.reserve(values.size());
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

json::object object_of(const std::map<std::string, std::string>& values) {
  json::object out;
  for (const auto& [key, value] : values) out.emplace(key, value);
  return out;
}

std::int64_t nanos(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

json::object endpoint(const Attachment& attachment) {
  json::object out;
  if (!attachment.address.empty()) out["IPAMConfig"] = {{"IPv4Address", attachment.address}};
  if (!attachment.aliases.empty()) out["Aliases"] = strings(attachment.aliases);
  return out;
}

json::object health(const HealthCheck& check) {
  if (check.disabled) return {{"Test", json::array{"NONE"}}};
  return {{"Test", strings(check.test)},
          {"Interval", nanos(check.interval)},
          {"Timeout", nanos(check.timeout)},
          {"StartPeriod", nanos(check.start_period)},
          {"Retries", check.retries}};
}

/// "on-failure:3" → {"Name": "on-failure", "MaximumRetryCount": 3}.
json::object restart_policy(const std::string& policy) {
  const auto colon = policy.find(':');
  int retries = 0;
  if (colon != std::string::npos) std::from_chars(policy.data() + colon + 1, policy.data() + policy.size(), retries);
  return {{"Name", policy.substr(0, colon)}, {"MaximumRetryCount", retries}};
}

/// https://docs.kernel.org/filesystems/overlayfs.html
std::string over_options(const Mount& mount) {
  return fmt::format("lowerdir={0},upperdir={1}/upper,workdir={1}/work", mount.source, mount.apart);
}

json::object mount(const Mount& mount) {
  json::object out{{"Target", mount.target}};
  switch (mount.kind) {
    case Mount::Kind::kBind:
      out["Type"] = "bind";
      out["Source"] = mount.source;
      out["ReadOnly"] = mount.read_only;
      out["BindOptions"] = {{"Propagation", "rprivate"}};
      break;
    case Mount::Kind::kVolume:
      out["Type"] = "volume";
      out["Source"] = mount.source;
      out["ReadOnly"] = mount.read_only;
      if (mount.no_copy) out["VolumeOptions"] = {{"NoCopy", true}};
      break;
    case Mount::Kind::kOver:
      // A volume without a name, which goes with its machine.
      out["Type"] = "volume";
      out["ReadOnly"] = mount.read_only;
      out["VolumeOptions"] = {
          {"NoCopy", true},
          {"DriverConfig",
           {{"Name", "local"}, {"Options", {{"type", "overlay"}, {"device", "overlay"}, {"o", over_options(mount)}}}}}};
      break;
    case Mount::Kind::kTmpfs:
      break;
  }
  return out;
}

/// As `docker run --tmpfs` takes them: before API 1.46 a mount of the kind has no options but size and mode.
std::string tmpfs_options(const Mount& mount) {
  std::string out = fmt::format("mode={:04o}", mount.tmpfs_mode);
  if (!mount.tmpfs_options.contains("size="))
    out += fmt::format(",size={}", mount.tmpfs_size > 0 ? mount.tmpfs_size : kDefaultTmpfs);
  return mount.tmpfs_options.empty() ? out : out + "," + mount.tmpfs_options;
}

void add_mounts(json::object& host, const Container& container) {
  json::array mounts;
  json::object in_memory;
  for (const auto& each : container.mounts) {
    if (each.kind == Mount::Kind::kTmpfs) in_memory[each.target] = tmpfs_options(each);
    else mounts.push_back(mount(each));
  }
  if (!mounts.empty()) host["Mounts"] = std::move(mounts);
  if (!in_memory.empty()) host["Tmpfs"] = std::move(in_memory);
}

void add_resources(json::object& host, const Resources& resources) {
  host["PidsLimit"] = resources.pids > 0 ? resources.pids : kDefaultPids;
  if (resources.cpus > 0) host["NanoCpus"] = static_cast<std::int64_t>(std::llround(resources.cpus * 1e9));
  if (resources.memory > 0) {
    host["Memory"] = resources.memory;
    host["MemorySwap"] = resources.memory_swap != 0 ? resources.memory_swap : resources.memory;
  }
  if (resources.memory_reservation > 0) host["MemoryReservation"] = resources.memory_reservation;
  if (resources.shm > 0) host["ShmSize"] = resources.shm;
  json::array limits;
  for (const auto& limit : resources.ulimits) {
    limits.push_back({{"Name", limit.name}, {"Soft", limit.soft}, {"Hard", limit.hard}});
  }
  // A core is written where the host's core_pattern says, by the host: a program that crashes in a loop fills its disk.
  if (std::ranges::find(resources.ulimits, "core", &Ulimit::name) == resources.ulimits.end()) {
    limits.push_back({{"Name", "core"}, {"Soft", 0}, {"Hard", 0}});
  }
  host["Ulimits"] = std::move(limits);
}

void add_hardening(json::object& host, const Container& container) {
  if (container.privileged_by_operator) {
    host["Privileged"] = true;
    return;
  }
  host["CapDrop"] = json::array{"ALL"};
  host["CapAdd"] = strings(container.capabilities);
  // Neither seccomp nor the masked paths are named: the engine's own defaults for them are the hard ones.
  host["SecurityOpt"] = json::array{"no-new-privileges"};
}

/// One file of at most `log_bytes`. The driver `local` compresses what it has rotated, which with one file it refuses.
json::object log_config(const MachineSpec& spec, const BodyOptions& options) {
  json::object config{{"max-size", std::to_string(spec.log_bytes)}, {"max-file", "1"}};
  if (options.log_driver == "local") config["compress"] = "false";
  return {{"Type", options.log_driver}, {"Config", std::move(config)}};
}

/// "host[:inside[:rwm]]", as the operator's configuration allowed it.
json::object device(const std::string& text) {
  const auto first = text.find(':');
  const auto second = first == std::string::npos ? first : text.find(':', first + 1);
  const std::string host = text.substr(0, first);
  const std::string inside = first == std::string::npos ? host : text.substr(first + 1, second - first - 1);
  const std::string rights = second == std::string::npos ? "rwm" : text.substr(second + 1);
  return {{"PathOnHost", host}, {"PathInContainer", inside}, {"CgroupPermissions", rights}};
}

json::object host_config(const MachineSpec& spec, const BodyOptions& options) {
  const Container& container = spec.container();
  json::object host;
  add_hardening(host, container);
  add_resources(host, spec.resources);
  host["LogConfig"] = log_config(spec, options);
  host["NetworkMode"] = !container.network_of.empty() ? "container:" + container.network_of
                        : spec.networks.empty()       ? std::string("none")
                                                      : spec.networks.front().network;
  host["IpcMode"] = "private";
  host["CgroupnsMode"] = "private";
  // When memory runs out it is a machine that dies, not the server or the engine.
  host["OomScoreAdj"] = 500;
  // What the template says; the engine is told otherwise (machine_body).
  host["RestartPolicy"] = restart_policy(container.restart);
  host["PublishAllPorts"] = false;
  host["ReadonlyRootfs"] = container.read_only;
  if (container.init) host["Init"] = true;
  add_mounts(host, container);
  if (!container.devices.empty()) {
    json::array devices;
    for (const auto& each : container.devices) devices.push_back(device(each));
    host["Devices"] = std::move(devices);
  }
  if (!container.sysctls.empty()) host["Sysctls"] = object_of(container.sysctls);
  if (!container.runtime.empty()) host["Runtime"] = container.runtime;
  if (!spec.extra_hosts.empty()) host["ExtraHosts"] = strings(spec.extra_hosts);
  if (!container.groups.empty()) host["GroupAdd"] = strings(container.groups);
  if (!spec.dns_search.empty()) host["DnsSearch"] = strings(spec.dns_search);
  if (!spec.dns_options.empty()) host["DnsOptions"] = strings(spec.dns_options);
  return host;
}

void add_config(json::object& body, const MachineSpec& spec) {
  const Container& container = spec.container();
  body["Image"] = spec.image;
  if (!spec.hostname.empty()) body["Hostname"] = spec.hostname;
  if (!spec.domain.empty()) body["Domainname"] = spec.domain;
  if (!container.user.empty()) body["User"] = container.user;
  if (!container.working_dir.empty()) body["WorkingDir"] = container.working_dir;
  if (container.entrypoint) body["Entrypoint"] = strings(*container.entrypoint);
  if (container.command) body["Cmd"] = strings(*container.command);
  if (!container.environment.empty()) body["Env"] = strings(container.environment);
  if (container.terminal) body["Tty"] = true;
  if (container.open_stdin) body["OpenStdin"] = true;
  if (!container.stop_signal.empty()) body["StopSignal"] = container.stop_signal;
  if (spec.stop_grace) body["StopTimeout"] = std::chrono::ceil<std::chrono::seconds>(*spec.stop_grace).count();
  if (container.health) body["Healthcheck"] = health(*container.health);
  if (spec.exposed.empty()) return;
  json::object ports;
  for (const auto port : spec.exposed) ports[std::to_string(port) + "/tcp"] = json::object();
  body["ExposedPorts"] = std::move(ports);
}

std::string hash_of(const std::string& text) {
  std::array<unsigned char, 16> digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  return hex(digest);
}

/// Puts the labels into `body`, among them the hash of all of it; gives the hash. The server's own label is not in it:
/// what a version made that did not know that label is the same machine.
std::string seal(json::object& body, const Labels& labels) {
  Labels said = labels;
  said.erase(kLabelServer);
  body["Labels"] = object_of(said);
  const std::string hash = hash_of(json::serialize(body));
  body["Labels"] = object_of(labels);
  body["Labels"].as_object()[kLabelSpec] = hash;
  return hash;
}

}  // namespace

Body machine_body(const MachineSpec& spec, const Labels& labels, const BodyOptions& options) {
  json::object body;
  add_config(body, spec);
  body["HostConfig"] = host_config(spec, options);
  json::object endpoints;
  for (const auto& attachment : spec.networks) endpoints[attachment.network] = endpoint(attachment);
  body["NetworkingConfig"] = {{"EndpointsConfig", std::move(endpoints)}};
  Body out;
  // Of all networks, however many the engine's version takes at once: an upgraded engine has the same machines.
  out.hash = seal(body, labels);
  if (options.limits_disk && spec.resources.disk > 0) {
    body["HostConfig"].as_object()["StorageOpt"] = {{"size", std::to_string(spec.resources.disk)}};
  }
  body["Labels"].as_object()[kLabelDisk] = fmt::format("{} {}", spec.resources.disk, spec.resources.inodes);
  // Who starts a machine again is the server, when the firewall's table is in force: an engine that begins before it,
  // at boot, would start machines without. Machines of before are the same, whatever the engine was told of them.
  body["HostConfig"].as_object()["RestartPolicy"] = restart_policy("no");
  if (const auto& policy = spec.container().restart; !policy.empty() && policy != "no")
    body["Labels"].as_object()[kLabelRestart] = policy;
  if (!options.cgroup_parent.empty()) body["HostConfig"].as_object()["CgroupParent"] = options.cgroup_parent;
  // Nor of whether its set-user-ID programs count: what an image holds was not looked for by versions before.
  if (const auto& container = spec.container(); container.set_user_id && !container.privileged_by_operator)
    body["HostConfig"].as_object().erase("SecurityOpt");
  // Nor of where names are asked for: what versions made that left that out is the same machine.
  if (!spec.dns.empty()) body["HostConfig"].as_object()["Dns"] = strings(spec.dns);
  if (!options.all_networks && spec.networks.size() > 1) {
    const Attachment& first = spec.networks.front();
    body["NetworkingConfig"] = {{"EndpointsConfig", json::object{{first.network, endpoint(first)}}}};
  }
  out.json = json::serialize(body);
  return out;
}

std::string network_body(const NetworkSpec& spec, const std::string& bridge, const Labels& labels) {
  const json::object body{
      {"Name", spec.name},
      {"Labels", object_of(labels)},
      {"CheckDuplicate", true},
      {"Driver", "bridge"},
      {"Internal", !spec.egress},
      {"EnableIPv6", false},
      {"IPAM", {{"Driver", "default"}, {"Config", json::array{{{"Subnet", spec.subnet}, {"Gateway", spec.gateway}}}}}},
      {"Options", {{kBridgeOption, bridge}, {kPortTrafficOption, spec.shared ? "false" : "true"}}}};
  return json::serialize(body);
}

std::string connect_body(const std::string& machine, const Attachment& attachment) {
  return json::serialize(json::object{{"Container", machine}, {"EndpointConfig", endpoint(attachment)}});
}

}  // namespace tiltyard::engine::docker
