#include "templates/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "templates/values.h"

namespace tiltyard::templates {
namespace {

using enum Verdict;

constexpr std::string_view kHostCpus = "which of the host's processors it runs on is the operator's";
constexpr std::string_view kWindows = "only Windows knows it";
constexpr std::string_view kOneCopy = "a service is one machine";
constexpr std::string_view kOurLog = "the server keeps each machine's log, with a size cap of its own";
constexpr std::string_view kOurPlan = "addresses come from the server's own plan";
constexpr std::string_view kBuiltOnce = "an image is built once for each content, and kept";
constexpr std::string_view kCluster = "there is no cluster to place it on";
constexpr std::string_view kNoModel = "the server runs no language models";
constexpr std::string_view kNoHook = "the server runs no hooks";
constexpr std::string_view kHostBuild = "a build gets nothing of the host but its context";
constexpr std::string_view kDriver = "options of a driver reach into the host";
constexpr std::string_view kBridge = "how an instance's bridge is made is the server's";
constexpr std::string_view kShares = "machines have a hard limit each, and no shares";
constexpr std::string_view kWriteCpus = "write cpus: 0.5";
constexpr std::string_view kExternal = "an instance is made of its own parts only; nothing outside of it may be named";
constexpr std::string_view kNamed = "every instance has parts of its own, named after the instance";
constexpr std::string_view kNobody = "nothing reads labels there";

constexpr Key kKeys[] = {
    // The file.
    {"top", "version", kHonoured, "accepted; it has had no meaning since Compose 1.27"},
    {"top", "name", kIgnored, "an instance is named after its template and owner", "",
     "write the name that players see as name in instance.toml"},
    {"top", "include", kHonoured, "files inside the template's folder; checked after merging"},
    {"top", "services", kHonoured, "each is one machine of the instance"},
    {"top", "models", kRefused, kNoModel, "", "take it out"},
    {"top", "networks", kHonoured, "each instance gets networks of its own"},
    {"top", "volumes", kHonoured, "each instance gets volumes of its own, removed with it"},
    {"top", "secrets", kHonoured, "from files inside the folder or from its variables"},
    {"top", "configs", kHonoured, "from files inside the folder, inline content, or its variables"},
    {"include", "path", kHonoured, "a file inside the folder, or several that are merged"},
    {"include", "project_directory", kHonoured, "a folder inside the template's"},
    {"include", "env_file", kHonoured, "variables for the included files"},

    // Services.
    {"service", "annotations", kIgnored, "engines read nothing from them here"},
    {"service", "attach", kIgnored, "it steers the compose command line only"},
    {"service", "blkio_config", kIgnored, "weights and rates of disks are the operator's"},
    {"service", "build", kHonoured, "built once per content hash when the template is loaded, never at spawn"},
    {"service", "cap_add", kHonoured, "capabilities of the allow list; others only by the operator's allowance"},
    {"service", "cap_drop", kHonoured, "taken from the small set that is kept; ALL empties it"},
    {"service", "cgroup", kRefused, "a machine has its own control group namespace", "private",
     "write cgroup: private"},
    {"service", "cgroup_parent", kRefused, "where a machine is accounted is the operator's", "", "take it out"},
    {"service", "command", kHonoured, "as a list, or as a text that is split into words; no shell reads it"},
    {"service", "configs", kHonoured, "mounted as files, read-only"},
    {"service", "container_name", kHonoured, "one more name of the service on its networks"},
    {"service", "cpu_count", kIgnored, kWindows, "", kWriteCpus},
    {"service", "cpu_percent", kIgnored, kWindows, "", kWriteCpus},
    {"service", "cpu_shares", kIgnored, kShares, "", kWriteCpus},
    {"service", "cpu_quota", kHonoured, "becomes cpus = cpu_quota / cpu_period"},
    {"service", "cpu_period", kHonoured, "becomes cpus = cpu_quota / cpu_period"},
    {"service", "cpu_rt_period", kIgnored, "real-time scheduling can starve the host", "0", kWriteCpus},
    {"service", "cpu_rt_runtime", kIgnored, "real-time scheduling can starve the host", "0", kWriteCpus},
    {"service", "cpus", kHonoured, "up to the server's ceiling"},
    {"service", "cpuset", kIgnored, kHostCpus, "", kWriteCpus},
    {"service", "credential_spec", kIgnored, kWindows},
    {"service", "depends_on", kHonoured, "with its three conditions and required: false"},
    {"service", "deploy", kHonoured, "resources and restart_policy; see there"},
    {"service", "develop", kIgnored, "it steers the compose command line only"},
    {"service", "device_cgroup_rules", kRefused, "devices belong to the host", "", "take it out"},
    {"service", "devices", kRefused, "devices belong to the host; an operator can allow \"devices\" for this template"},
    {"service", "dns", kRewritten,
     "names are resolved inside the instance; only a template with egress may name servers", "",
     "ask for egress in instance.toml ([network] egress = true) if names outside are needed"},
    {"service", "dns_opt", kHonoured, "options of resolv.conf(5)"},
    {"service", "dns_search", kHonoured, "domains in which short names are looked for"},
    {"service", "domainname", kHonoured, ""},
    {"service", "entrypoint", kHonoured, "as a list, or as a text that is split into words; no shell reads it"},
    {"service", "env_file", kHonoured, "files inside the folder, also path/required/format"},
    {"service", "environment", kHonoured, "spawn-time names stay as ${NAME} until the instance starts"},
    {"service", "expose", kHonoured, "TCP and UDP ports"},
    {"service", "extends", kHonoured, "services of files inside the folder; checked after merging"},
    {"service", "external_links", kRefused, kExternal, "", "put that service into this file"},
    {"service", "extra_hosts", kHonoured, "names for services of the instance and for 127.0.0.1"},
    {"service", "gpus", kRefused, "devices belong to the host", "", "take it out"},
    {"service", "group_add", kHonoured, "more groups of its user, by name or number: the image's own"},
    {"service", "healthcheck", kHonoured, ""},
    {"service", "hostname", kHonoured, ""},
    {"service", "image", kHonoured,
     "an image that is there, or one that the server may fetch; beside `build` the name by which the project's other "
     "services use what is built"},
    {"service", "init", kHonoured, ""},
    {"service", "ipc", kRefused, "a machine has its own IPC namespace", "private",
     "write ipc: private; services share files by a volume"},
    {"service", "isolation", kRefused, kWindows, "default", "take it out"},
    {"service", "label_file", kHonoured, "files inside the folder"},
    {"service", "labels", kHonoured, "except tiltyard.*, which are the server's"},
    {"service", "links", kHonoured, "a dependency, and a name for the other service"},
    {"service", "logging", kIgnored, kOurLog, "", "read it with tiltyard logs"},
    {"service", "mac_address", kRewritten, kOurPlan, "", "let the program read it from /sys/class/net/eth0/address"},
    {"service", "mem_limit", kHonoured, "up to the server's ceiling"},
    {"service", "mem_reservation", kHonoured, ""},
    {"service", "mem_swappiness", kIgnored, "machines have no swap unless the operator's ceiling gives some", "",
     "write memswap_limit if it needs swap"},
    {"service", "memswap_limit", kHonoured, "memory and swap together, up to the server's ceiling"},
    {"service", "models", kRefused, kNoModel, "", "take it out"},
    {"service", "network_mode", kRefused,
     "a machine has its own network namespace; \"none\" and \"bridge\" are understood"},
    {"service", "networks", kHonoured, "with aliases and priorities; addresses are rewritten"},
    {"service", "oom_kill_disable", kIgnored, "a machine over its memory limit must be stoppable", "false",
     "write a larger mem_limit"},
    {"service", "oom_score_adj", kRefused, "who dies first when the host is short of memory is the operator's", "0",
     "write oom_score_adj: 0"},
    {"service", "pid", kRefused, "a machine has its own process namespace", "",
     "take it out; programs that must see each other run in one service"},
    {"service", "pids_limit", kHonoured, "up to the server's ceiling"},
    {"service", "platform", kHonoured, "the host's own platform; others are refused"},
    {"service", "ports", kHonoured,
     "the container side; host ports and addresses are rewritten, the gateway has its own"},
    {"service", "post_start", kRefused, kNoHook, "", "write entrypoint: [sh, -c, \"the hook; exec the program\"]"},
    {"service", "pre_stop", kRefused, kNoHook, "",
     "write entrypoint: [sh, -c, \"trap the-hook TERM; the-program & wait\"]"},
    {"service", "privileged", kRefused,
     "it is root on the host; an operator can allow \"privileged\" for this template", "false"},
    {"service", "profiles", kHonoured,
     "active are the ones of `profiles` in instance.toml, else of COMPOSE_PROFILES in .env"},
    {"service", "provider", kRefused, "a service is a machine, not somebody else's program on the host", "",
     "write image or build"},
    {"service", "pull_policy", kHonoured,
     "images are made when the template is loaded; never, missing and build say just that"},
    {"service", "pull_refresh_after", kIgnored, kBuiltOnce, "", "change the tag to have another image"},
    {"service", "read_only", kHonoured, ""},
    {"service", "restart", kHonoured, "no, always, on-failure[:N], unless-stopped"},
    {"service", "runtime", kRefused, "the operator chooses; \"runtime:NAME\" can be allowed for this template"},
    {"service", "scale", kRewritten, kOneCopy, "1", "write a service for each, with names of their own"},
    {"service", "secrets", kHonoured, "mounted as files, read-only"},
    {"service", "security_opt", kHonoured, "no-new-privileges:true or false (set-user-ID programs); nothing else"},
    {"service", "shm_size", kHonoured, "counts within the memory limit"},
    {"service", "stdin_open", kHonoured, ""},
    {"service", "stop_grace_period", kHonoured, "at most 60 s"},
    {"service", "stop_signal", kHonoured, ""},
    {"service", "storage_opt", kIgnored, "what it may write is limited by instance.toml", "",
     "write disk = \"1g\" there"},
    {"service", "sysctls", kHonoured, "those of the machine's own namespaces on the allow list"},
    {"service", "tmpfs", kHonoured,
     "64 MiB unless size= says otherwise, with mode, uid, gid, exec and the like; counts within the memory limit"},
    {"service", "tty", kHonoured, ""},
    {"service", "ulimits", kHonoured, "up to the server's ceiling"},
    {"service", "use_api_socket", kRefused, "whoever holds the engine's socket is root on the host", "false",
     "take it out"},
    {"service", "user", kHonoured, ""},
    {"service", "userns_mode", kRefused, "which user namespace a machine has is the operator's", "", "take it out"},
    {"service", "uts", kRefused, "a machine has its own host name", "", "take it out; hostname names the machine"},
    {"service", "volumes", kHonoured,
     "named, anonymous, tmpfs, and binds inside the folder, of which every instance has its own view"},
    {"service", "volumes_from", kHonoured, "the binds and volumes of another service"},
    {"service", "working_dir", kHonoured, ""},

    {"service.build", "context", kHonoured, "a folder inside the template's"},
    {"service.build", "dockerfile", kHonoured, "a file inside the folder"},
    {"service.build", "dockerfile_inline", kHonoured, ""},
    {"service.build", "entitlements", kRefused, kHostBuild, "", "take it out"},
    {"service.build", "args", kHonoured, ""},
    {"service.build", "ssh", kRefused, kHostBuild, "", "copy what it fetches into the folder, and COPY it"},
    {"service.build", "labels", kHonoured, "except tiltyard.*"},
    {"service.build", "cache_from", kIgnored, kBuiltOnce},
    {"service.build", "cache_to", kIgnored, kBuiltOnce},
    {"service.build", "no_cache", kIgnored, kBuiltOnce, "false"},
    {"service.build", "no_cache_filter", kIgnored, kBuiltOnce},
    {"service.build", "additional_contexts", kHonoured,
     "folders inside the template's, docker-image://NAME, service:NAME"},
    {"service.build", "network", kHonoured, "default and none"},
    {"service.build", "provenance", kIgnored, "images stay on this server"},
    {"service.build", "sbom", kIgnored, "images stay on this server"},
    {"service.build", "pull", kIgnored, "whether images are fetched is the operator's", "false"},
    {"service.build", "target", kHonoured, ""},
    {"service.build", "shm_size", kIgnored, "the size is the engine's"},
    {"service.build", "extra_hosts", kRefused, kHostBuild, "", "copy what it fetches into the folder, and COPY it"},
    {"service.build", "isolation", kRefused, kWindows, "default"},
    {"service.build", "privileged", kRefused, kHostBuild, "false", "take it out"},
    {"service.build", "secrets", kHonoured, "as files, for the steps that ask for them"},
    {"service.build", "tags", kHonoured, "names by which the project's other services use what is built"},
    {"service.build", "ulimits", kIgnored, "the limits of builds are the operator's"},
    {"service.build", "platforms", kHonoured, "the host's own platform; others are refused"},

    {"service.depends_on", "condition", kHonoured, "service_started, service_healthy, service_completed_successfully"},
    {"service.depends_on", "required", kHonoured, ""},
    {"service.depends_on", "restart", kIgnored, "machines of an instance are restarted one by one", "false",
     "write restart: always in the service that must come back"},
    {"service.env_file", "path", kHonoured, ""},
    {"service.env_file", "required", kHonoured, ""},
    {"service.env_file", "format", kHonoured, "raw"},
    {"service.extends", "service", kHonoured, ""},
    {"service.extends", "file", kHonoured, "inside the folder"},
    {"service.healthcheck", "disable", kHonoured, ""},
    {"service.healthcheck", "interval", kHonoured, "from 100 ms to an hour; 0 is the engine's default"},
    {"service.healthcheck", "retries", kHonoured, ""},
    {"service.healthcheck", "test", kHonoured, ""},
    {"service.healthcheck", "timeout", kHonoured, ""},
    {"service.healthcheck", "start_period", kHonoured, ""},
    {"service.healthcheck", "start_interval", kIgnored, "the engine checks at `interval` from the start", "",
     "write a shorter interval"},
    {"service.networks", "aliases", kHonoured, ""},
    {"service.networks", "interface_name", kIgnored, "interfaces are named by the engine, eth0 first"},
    {"service.networks", "ipv4_address", kRewritten, kOurPlan},
    {"service.networks", "ipv6_address", kRewritten, kOurPlan},
    {"service.networks", "link_local_ips", kRewritten, kOurPlan, "", "write the service's name where it is reached"},
    {"service.networks", "mac_address", kRewritten, kOurPlan},
    {"service.networks", "driver_opts", kIgnored, kBridge},
    {"service.networks", "priority", kHonoured, "the order of the interfaces"},
    {"service.networks", "gw_priority", kHonoured, "which network has the default route"},
    {"service.ports", "name", kHonoured, "the endpoint's name"},
    {"service.ports", "mode", kIgnored, "the gateway publishes", "host", "take it out"},
    {"service.ports", "host_ip", kRewritten, "the gateway publishes on its own addresses", "", "take it out"},
    {"service.ports", "target", kHonoured, ""},
    {"service.ports", "published", kRewritten, "the gateway chooses the port, a lasting one per owner", "",
     "write the port in the machine alone"},
    {"service.ports", "protocol", kHonoured, "tcp or udp; a port of another is ignored"},
    {"service.ports", "app_protocol", kHonoured,
     "http, tcp or tls: the endpoint's kind; of a UDP port it says nothing"},
    {"service.volumes", "type", kHonoured, "volume, bind, tmpfs"},
    {"service.volumes", "source", kHonoured, ""},
    {"service.volumes", "target", kHonoured, ""},
    {"service.volumes", "read_only", kHonoured, ""},
    {"service.volumes", "consistency", kIgnored, "files are always consistent here"},
    {"service.volumes", "bind", kHonoured, ""},
    {"service.volumes", "volume", kHonoured, ""},
    {"service.volumes", "tmpfs", kHonoured, ""},
    {"service.volumes", "image", kRefused, "files of images come by builds", "",
     "write COPY --from=IMAGE in a Dockerfile"},
    {"service.volumes.bind", "propagation", kIgnored, "nothing is mounted below what an instance has of its own",
     "rprivate"},
    {"service.volumes.bind", "create_host_path", kHonoured,
     "where nothing is there, an empty folder of the instance's own; false makes it an error"},
    {"service.volumes.bind", "recursive", kIgnored, "there are no mounts below a template's folder"},
    {"service.volumes.bind", "selinux", kIgnored, "labels are the engine's"},
    {"service.volumes.volume", "labels", kIgnored, kNobody},
    {"service.volumes.volume", "nocopy", kHonoured, "else a new volume starts with what the image has there"},
    {"service.volumes.volume", "subpath", kRefused, "what is below a volume is not known before it is there", "",
     "write a volume of its own for it"},
    {"service.volumes.tmpfs", "size", kHonoured, ""},
    {"service.volumes.tmpfs", "mode", kHonoured, ""},
    {"service.configs", "source", kHonoured, ""},
    {"service.configs", "target", kHonoured, ""},
    {"service.configs", "uid", kHonoured, "a number; else the service's `user`, if that is one"},
    {"service.configs", "gid", kHonoured, "a number; else the service's `user`, if that is one"},
    {"service.configs", "mode", kHonoured, ""},
    {"service.secrets", "source", kHonoured, ""},
    {"service.secrets", "target", kHonoured, ""},
    {"service.secrets", "uid", kHonoured, "a number; else the service's `user`, if that is one"},
    {"service.secrets", "gid", kHonoured, "a number; else the service's `user`, if that is one"},
    {"service.secrets", "mode", kHonoured, ""},
    {"service.ulimits", "soft", kHonoured, ""},
    {"service.ulimits", "hard", kHonoured, ""},
    {"service.devices", "source", kHonoured, "with the operator's allowance"},
    {"service.devices", "target", kHonoured, "with the operator's allowance"},
    {"service.devices", "permissions", kHonoured, "with the operator's allowance"},

    {"service.deploy", "mode", kIgnored, kOneCopy, "replicated"},
    {"service.deploy", "endpoint_mode", kIgnored, kCluster, "", "take it out"},
    {"service.deploy", "replicas", kRewritten, kOneCopy, "1", "write a service for each, with names of their own"},
    {"service.deploy", "labels", kIgnored, kNobody},
    {"service.deploy", "rollback_config", kIgnored, kCluster},
    {"service.deploy", "update_config", kIgnored, kCluster},
    {"service.deploy", "resources", kHonoured, ""},
    {"service.deploy", "restart_policy", kHonoured, "its condition and max_attempts"},
    {"service.deploy", "placement", kIgnored, kCluster},
    {"service.deploy.resources", "limits", kHonoured, ""},
    {"service.deploy.resources", "reservations", kHonoured, ""},
    {"service.deploy.resources.limits", "cpus", kHonoured, ""},
    {"service.deploy.resources.limits", "memory", kHonoured, ""},
    {"service.deploy.resources.limits", "pids", kHonoured, ""},
    {"service.deploy.resources.reservations", "cpus", kIgnored, "processors are limited, not reserved", "",
     "write limits: {cpus: \"0.5\"}"},
    {"service.deploy.resources.reservations", "memory", kHonoured, ""},
    {"service.deploy.resources.reservations", "generic_resources", kRefused, kCluster, "", "take it out"},
    {"service.deploy.resources.reservations", "devices", kRefused, "devices belong to the host", "", "take it out"},
    {"service.deploy.restart_policy", "condition", kHonoured, "none, on-failure, any"},
    {"service.deploy.restart_policy", "delay", kIgnored, "the engine waits longer after each failure"},
    {"service.deploy.restart_policy", "max_attempts", kHonoured, ""},
    {"service.deploy.restart_policy", "window", kIgnored, "the engine waits longer after each failure"},

    // What services use.
    {"network", "name", kRewritten, kNamed},
    {"network", "driver", kHonoured, "bridge"},
    {"network", "driver_opts", kIgnored, kBridge},
    {"network", "ipam", kRewritten, kOurPlan, "", "let programs find each other by their services' names"},
    {"network", "external", kRefused, kExternal, "false", "take external out; each instance has a network of its own"},
    {"network", "internal", kHonoured, "every network is, unless the template has egress"},
    {"network", "enable_ipv4", kRefused, "machines are reached over IPv4", "true", "take it out"},
    {"network", "enable_ipv6", kIgnored, "instances have IPv4 addresses", "false"},
    {"network", "attachable", kIgnored, "nothing joins an instance's networks from outside", "false"},
    {"network", "labels", kIgnored, kNobody},
    {"volume", "name", kRewritten, kNamed},
    {"volume", "driver", kHonoured, "local"},
    {"volume", "driver_opts", kHonoured, "tmpfs, and a bind inside the folder (type none, o bind)"},
    {"volume", "external", kRefused,
     "an instance has volumes of its own; an operator can allow \"volume:NAME\" for this template", "false",
     "take external out, and each instance has one of its own"},
    {"volume", "labels", kIgnored, kNobody},
    {"secret", "name", kRewritten, kNamed},
    {"secret", "environment", kHonoured, "a variable of .env or instance.toml"},
    {"secret", "file", kHonoured, "inside the folder"},
    {"secret", "external", kRefused, kExternal, "false", "write file: ./NAME"},
    {"secret", "labels", kIgnored, kNobody},
    {"secret", "driver", kRefused, "the server keeps no secrets for others", "", "write file: ./NAME"},
    {"secret", "driver_opts", kRefused, kDriver, "", "write file: ./NAME"},
    {"secret", "template_driver", kRefused, "files are mounted as they are", "", "write file: ./NAME"},
    {"config", "name", kRewritten, kNamed},
    {"config", "content", kHonoured, ""},
    {"config", "environment", kHonoured, "a variable of .env or instance.toml"},
    {"config", "file", kHonoured, "inside the folder"},
    {"config", "external", kRefused, kExternal, "false", "write file: ./NAME"},
    {"config", "labels", kIgnored, kNobody},
    {"config", "template_driver", kRefused, "files are mounted as they are", "", "write content: with ${NAME}"},
};

/// "service.build" → "build", "network" → "a network": where, in a message.
std::string_view short_scope(std::string_view scope) {
  if (scope == "top") return "the file";
  const auto dot = scope.rfind('.');
  return dot == std::string_view::npos ? scope : scope.substr(dot + 1);
}

void report_unknown(const Node& map, const Member& member, std::string_view scope, Problems& problems) {
  // Nobody reads the hundredth suggestion, and a hostile file must not make us look for thousands.
  if (problems.errors() > 100) return;
  std::vector<std::string_view> known;
  for (const Key& key : kKeys) {
    if (key.scope == scope) known.push_back(key.name);
  }
  const auto meant = nearest(member.key, known);
  std::optional<Fix> fix;
  if (!meant.empty() && !map.find(meant))
    fix = Fix{.deed = Fix::Deed::kRename, .from = member.key, .to = std::string(meant)};
  problems.error(member.place,
                 fmt::format("\"{}\" is no key of {}{}", printable(member.key), short_scope(scope),
                             did_you_mean(member.key, known)),
                 std::move(fix));
}

bool says_nothing(const Node& value, const Key& key) {
  if (value.is_empty()) return true;
  return value.is_scalar() && !key.harmless.empty() && lower(value.text) == key.harmless;
}

}  // namespace

std::span<const Key> all_keys() { return kKeys; }

std::string reason_of(const Key& key) {
  const bool nothing_lost = key.verdict == kIgnored || key.verdict == kRewritten;
  if (key.instead.empty() && !nothing_lost) return std::string(key.note);
  return fmt::format("{}; {}", key.note, key.instead.empty() ? "the line can go" : key.instead);
}

const Key* find_key(std::string_view scope, std::string_view name) {
  for (const Key& key : kKeys) {
    if (key.scope == scope && key.name == name) return &key;
  }
  return nullptr;
}

void check_keys(const Node& map, std::string_view scope, Problems& problems,
                std::span<const std::string_view> decided_elsewhere) {
  for (const Member& member : map.members) {
    if (member.key.starts_with("x-")) continue;
    const Key* key = find_key(scope, member.key);
    if (!key) {
      report_unknown(map, member, scope, problems);
      continue;
    }
    if (std::ranges::find(decided_elsewhere, member.key) != decided_elsewhere.end()) continue;
    if (says_nothing(member.value, *key)) continue;
    if (key->verdict == kRefused) {
      problems.error(member.place, fmt::format("\"{}\" is refused: {}", key->name, reason_of(*key)));
    } else if (key->verdict == kIgnored) {
      problems.warn(member.place, fmt::format("\"{}\" is ignored: {}", key->name, reason_of(*key)));
    }
  }
}

}  // namespace tiltyard::templates
