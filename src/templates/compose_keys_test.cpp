#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "templates/keys.h"
#include "templates/test_folder.h"

namespace tiltyard::templates {
namespace {

/// The keys of the Compose specification's JSON schema (compose-spec.json), scope by scope.
const std::map<std::string, std::vector<std::string>>& schema() {
  static const std::map<std::string, std::vector<std::string>> keys{
      {"top", {"version", "name", "include", "services", "models", "networks", "volumes", "secrets", "configs"}},
      {"service",
       {"develop",
        "deploy",
        "annotations",
        "attach",
        "build",
        "blkio_config",
        "cap_add",
        "cap_drop",
        "cgroup",
        "cgroup_parent",
        "command",
        "configs",
        "container_name",
        "cpu_count",
        "cpu_percent",
        "cpu_shares",
        "cpu_quota",
        "cpu_period",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpus",
        "cpuset",
        "credential_spec",
        "depends_on",
        "device_cgroup_rules",
        "devices",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "entrypoint",
        "env_file",
        "label_file",
        "environment",
        "expose",
        "extends",
        "provider",
        "external_links",
        "extra_hosts",
        "gpus",
        "group_add",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "ipc",
        "isolation",
        "labels",
        "links",
        "logging",
        "mac_address",
        "mem_limit",
        "mem_reservation",
        "mem_swappiness",
        "memswap_limit",
        "network_mode",
        "models",
        "networks",
        "oom_kill_disable",
        "oom_score_adj",
        "pid",
        "pids_limit",
        "platform",
        "ports",
        "post_start",
        "pre_stop",
        "privileged",
        "profiles",
        "pull_policy",
        "pull_refresh_after",
        "read_only",
        "restart",
        "runtime",
        "scale",
        "security_opt",
        "shm_size",
        "secrets",
        "sysctls",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "storage_opt",
        "tmpfs",
        "tty",
        "ulimits",
        "use_api_socket",
        "user",
        "uts",
        "userns_mode",
        "volumes",
        "volumes_from",
        "working_dir"}},
      {"service.build",
       {"context",    "dockerfile", "dockerfile_inline", "entitlements",        "args",      "ssh",        "labels",
        "cache_from", "cache_to",   "no_cache",          "additional_contexts", "network",   "provenance", "sbom",
        "pull",       "target",     "shm_size",          "extra_hosts",         "isolation", "privileged", "secrets",
        "tags",       "ulimits",    "platforms"}},
      {"service.deploy",
       {"mode", "endpoint_mode", "replicas", "labels", "rollback_config", "update_config", "resources",
        "restart_policy", "placement"}},
      {"service.deploy.resources", {"limits", "reservations"}},
      {"service.deploy.resources.limits", {"cpus", "memory", "pids"}},
      {"service.deploy.resources.reservations", {"cpus", "memory", "generic_resources", "devices"}},
      {"service.deploy.restart_policy", {"condition", "delay", "max_attempts", "window"}},
      {"service.depends_on", {"restart", "required", "condition"}},
      {"service.env_file", {"path", "format", "required"}},
      {"service.extends", {"service", "file"}},
      {"service.healthcheck", {"disable", "interval", "retries", "test", "timeout", "start_period", "start_interval"}},
      {"service.networks",
       {"aliases", "interface_name", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "driver_opts",
        "priority", "gw_priority"}},
      {"service.ports", {"name", "mode", "host_ip", "target", "published", "protocol", "app_protocol"}},
      {"service.volumes", {"type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs", "image"}},
      {"service.volumes.bind", {"propagation", "create_host_path", "recursive", "selinux"}},
      {"service.volumes.volume", {"labels", "nocopy", "subpath"}},
      {"service.volumes.tmpfs", {"size", "mode"}},
      {"service.configs", {"source", "target", "uid", "gid", "mode"}},
      {"service.secrets", {"source", "target", "uid", "gid", "mode"}},
      {"service.ulimits", {"soft", "hard"}},
      {"service.devices", {"source", "target", "permissions"}},
      {"include", {"path", "env_file", "project_directory"}},
      {"network",
       {"name", "driver", "driver_opts", "ipam", "external", "internal", "enable_ipv4", "enable_ipv6", "attachable",
        "labels"}},
      {"volume", {"name", "driver", "driver_opts", "external", "labels"}},
      {"secret", {"name", "environment", "file", "external", "labels", "driver", "driver_opts", "template_driver"}},
      {"config", {"name", "content", "environment", "file", "external", "labels", "template_driver"}},
  };
  return keys;
}

/// A value for each key that says something, so that a refusal or a warning has a cause. `KEY` is where it goes.
struct Frame {
  std::string text;    ///< a whole compose file with a line "@" for the key
  std::string indent;  ///< of the key's line
};

const std::string kServices = "services:\n  a:\n    image: x\n  b:\n    image: y\n";

Frame frame_of(const std::string& scope) {
  const std::string service = "services:\n  b: {image: y}\n  a:\n    image: x\n";
  if (scope == "top") return {kServices + "@", ""};
  if (scope == "service") return {service + "@", "    "};
  if (scope == "service.build") return {"services:\n  a:\n    build:\n@", "      "};
  if (scope == "service.deploy") return {service + "    deploy:\n@", "      "};
  if (scope == "service.deploy.resources") return {service + "    deploy:\n      resources:\n@", "        "};
  if (scope.starts_with("service.deploy.resources."))
    return {service + "    deploy:\n      resources:\n        " + scope.substr(25) + ":\n@", "          "};
  if (scope == "service.deploy.restart_policy") return {service + "    deploy:\n      restart_policy:\n@", "        "};
  if (scope == "service.depends_on") return {service + "    depends_on:\n      b:\n@", "        "};
  if (scope == "service.env_file") return {service + "    env_file:\n      -\n@", "        "};
  if (scope == "service.extends") return {service + "    extends:\n@", "      "};
  if (scope == "service.healthcheck") return {service + "    healthcheck:\n@", "      "};
  if (scope == "service.networks") return {"networks: {n: {}}\n" + service + "    networks:\n      n:\n@", "        "};
  if (scope == "service.ports") return {service + "    ports:\n      -\n@", "        "};
  if (scope == "service.volumes") return {"volumes: {v: {}}\n" + service + "    volumes:\n      -\n@", "        "};
  if (scope == "service.volumes.bind")
    return {service +
                "    volumes:\n      - type: bind\n        source: ./f\n        target: /t\n        read_only: true\n  "
                "      bind:\n@",
            "          "};
  if (scope == "service.volumes.volume")
    return {"volumes: {v: {}}\n" + service +
                "    volumes:\n      - type: volume\n        source: v\n        target: /t\n        volume:\n@",
            "          "};
  if (scope == "service.volumes.tmpfs")
    return {service + "    volumes:\n      - type: tmpfs\n        target: /t\n        tmpfs:\n@", "          "};
  if (scope == "service.configs")
    return {"configs: {c: {file: ./f}}\n" + service + "    configs:\n      -\n@", "        "};
  if (scope == "service.secrets")
    return {"secrets: {c: {file: ./f}}\n" + service + "    secrets:\n      -\n@", "        "};
  if (scope == "service.ulimits") return {service + "    ulimits:\n      nofile:\n@", "        "};
  if (scope == "service.devices") return {service + "    devices:\n      -\n@", "        "};
  if (scope == "include") return {"include:\n  -\n@" + kServices, "    "};
  if (scope == "network") return {kServices + "networks:\n  n:\n@", "    "};
  if (scope == "volume") return {kServices + "volumes:\n  n:\n@", "    "};
  if (scope == "secret") return {kServices + "secrets:\n  n:\n@", "    "};
  return {kServices + "configs:\n  n:\n@", "    "};
}

/// "key: value" lines, and what else that scope needs to be whole. The key in question comes first.
std::string lines_of(const std::string& scope, const std::string& key) {
  static const std::map<std::string, std::string> values{
      {"top/version", "\"3.8\""},
      {"top/name", "mine"},
      {"top/include", "[other.yaml]"},
      {"top/services", ""},
      {"top/models", "{m: {model: x}}"},
      {"top/networks", "{n: {}}"},
      {"top/volumes", "{v: {}}"},
      {"top/secrets", "{s: {file: ./f}}"},
      {"top/configs", "{c: {file: ./f}}"},
      {"service/develop", "{watch: []}"},
      {"service/deploy", "{resources: {limits: {cpus: 0.1}}}"},
      {"service/annotations", "{a: b}"},
      {"service/attach", "false"},
      {"service/build", "."},
      {"service/blkio_config", "{weight: 300}"},
      {"service/cap_add", "[CHOWN]"},
      {"service/cap_drop", "[ALL]"},
      {"service/cgroup", "host"},
      {"service/command", "[sh]"},
      {"service/configs", "[]"},
      {"service/depends_on", "[b]"},
      {"service/cpu_quota", "50000"},
      {"service/cpu_period", "100000\n    cpu_quota: 50000"},
      {"service/cpus", "0.5"},
      {"service/credential_spec", "{file: x}"},
      {"service/device_cgroup_rules", "['c 1:3 mr']"},
      {"service/devices", "['/dev/kvm']"},
      {"service/dns", "[1.1.1.1]"},
      {"service/dns_opt", "[x]"},
      {"service/env_file", "f"},
      {"service/label_file", "f"},
      {"service/environment", "{A: b}"},
      {"service/expose", "[80]"},
      {"service/extends", "b"},
      {"service/provider", "{type: x}"},
      {"service/external_links", "[x]"},
      {"service/extra_hosts", "['c:b']"},
      {"service/gpus", "all"},
      {"service/group_add", "[x]"},
      {"service/dns_search", "[x]"},
      {"service/healthcheck", "{test: [CMD, 'true']}"},
      {"service/init", "true"},
      {"service/ipc", "host"},
      {"service/labels", "{a: b}"},
      {"service/links", "[b]"},
      {"service/logging", "{driver: syslog}"},
      {"service/mac_address", "02:00:00:00:00:01"},
      {"service/mem_limit", "64m"},
      {"service/mem_reservation", "32m"},
      {"service/mem_swappiness", "10"},
      {"service/memswap_limit", "256m"},
      {"service/models", "[m]"},
      {"service/network_mode", "host"},
      {"service/networks", "[default]"},
      {"service/oom_kill_disable", "true"},
      {"service/oom_score_adj", "-500"},
      {"service/pids_limit", "10"},
      {"service/platform", "linux"},
      {"service/ports", "['80']"},
      {"service/post_start", "[{command: x}]"},
      {"service/pre_stop", "[{command: x}]"},
      {"service/privileged", "true"},
      {"service/profiles", "[]"},
      {"service/pull_policy", "missing"},
      {"service/read_only", "true"},
      {"service/restart", "always"},
      {"service/scale", "3"},
      {"service/security_opt", "['no-new-privileges:true']"},
      {"service/shm_size", "16m"},
      {"service/secrets", "[]"},
      {"service/sysctls", "{net.core.somaxconn: 1024}"},
      {"service/stdin_open", "true"},
      {"service/stop_grace_period", "3s"},
      {"service/stop_signal", "SIGINT"},
      {"service/storage_opt", "{size: 1g}"},
      {"service/tmpfs", "/run"},
      {"service/tty", "true"},
      {"service/ulimits", "{nofile: 1024}"},
      {"service/use_api_socket", "true"},
      {"service/volumes", "[/data]"},
      {"service/volumes_from", "[b]"},
      {"service/working_dir", "/srv"},
      {"service/container_name", "mine"},
      {"service.build/context", "."},
      {"service.build/dockerfile", "Dockerfile"},
      {"service.build/dockerfile_inline", "FROM scratch"},
      {"service.build/args", "{A: b}"},
      {"service.build/labels", "{a: b}"},
      {"service.build/network", "none"},
      {"service.build/additional_contexts", "{x: .}"},
      {"service.build/secrets", "[]"},
      {"service.build/target", "\"\""},
      {"service.build/no_cache", "true"},
      {"service.build/pull", "true"},
      {"service.build/privileged", "true"},
      {"service.build/platforms", "[linux]"},
      {"service.deploy/mode", "global"},
      {"service.deploy/replicas", "3"},
      {"service.deploy/resources", "{limits: {cpus: 0.1}}"},
      {"service.deploy/restart_policy", "{condition: any}"},
      {"service.deploy/labels", "{a: b}"},
      {"service.deploy.resources/limits", "{memory: 64m}"},
      {"service.deploy.resources/reservations", "{memory: 64m}"},
      {"service.deploy.resources.limits/cpus", "0.5"},
      {"service.deploy.resources.limits/memory", "64m"},
      {"service.deploy.resources.limits/pids", "10"},
      {"service.deploy.resources.reservations/cpus", "0.1"},
      {"service.deploy.resources.reservations/memory", "8m"},
      {"service.deploy.resources.reservations/generic_resources", "[{}]"},
      {"service.deploy.resources.reservations/devices", "[{capabilities: [gpu]}]"},
      {"service.deploy.restart_policy/condition", "any"},
      {"service.deploy.restart_policy/max_attempts", "3"},
      {"service.depends_on/condition", "service_started"},
      {"service.depends_on/restart", "true"},
      {"service.depends_on/required", "true"},
      {"service.env_file/path", "f"},
      {"service.env_file/required", "true\n        path: f"},
      {"service.env_file/format", "raw\n        path: f"},
      {"service.extends/service", "b"},
      {"service.extends/file", "base.yaml\n      service: c"},
      {"service.healthcheck/disable", "false"},
      {"service.healthcheck/retries", "3"},
      {"service.healthcheck/test", "[CMD, 'true']"},
      {"service.healthcheck/interval", "3s"},
      {"service.healthcheck/timeout", "3s"},
      {"service.healthcheck/start_period", "3s"},
      {"service.healthcheck/start_interval", "3s"},
      {"service.networks/aliases", "[z]"},
      {"service.networks/ipv4_address", "10.0.0.5"},
      {"service.networks/link_local_ips", "[169.254.0.1]"},
      {"service.networks/driver_opts", "{a: b}"},
      {"service.networks/priority", "5"},
      {"service.networks/gw_priority", "5"},
      {"service.ports/name", "web\n        target: 80"},
      {"service.ports/mode", "ingress\n        target: 80"},
      {"service.ports/host_ip", "127.0.0.1\n        target: 80"},
      {"service.ports/target", "80"},
      {"service.ports/published", "8080\n        target: 80"},
      {"service.ports/protocol", "tcp\n        target: 80"},
      {"service.ports/app_protocol", "http\n        target: 80"},
      {"service.volumes/type", "volume\n        source: v\n        target: /t"},
      {"service.volumes/source", "v\n        type: volume\n        target: /t"},
      {"service.volumes/target", "/t\n        type: volume"},
      {"service.volumes/read_only", "true\n        type: volume\n        target: /t"},
      {"service.volumes/consistency", "cached\n        type: volume\n        target: /t"},
      {"service.volumes/bind", "{}\n        type: volume\n        target: /t"},
      {"service.volumes/volume", "{}\n        type: volume\n        target: /t"},
      {"service.volumes/tmpfs", "{}\n        type: tmpfs\n        target: /t"},
      {"service.volumes/image", "{subpath: x}\n        type: volume\n        target: /t"},
      {"service.volumes.bind/create_host_path", "true"},
      {"service.volumes.bind/propagation", "shared"},
      {"service.volumes.volume/nocopy", "true"},
      {"service.volumes.volume/labels", "{a: b}"},
      {"service.volumes.tmpfs/size", "1m"},
      {"service.volumes.tmpfs/mode", "0700"},
      {"service.configs/source", "c"},
      {"service.configs/target", "/t\n        source: c"},
      {"service.configs/uid", "'0'\n        source: c"},
      {"service.configs/gid", "'0'\n        source: c"},
      {"service.configs/mode", "0440\n        source: c"},
      {"service.secrets/source", "c"},
      {"service.secrets/target", "t\n        source: c"},
      {"service.secrets/uid", "'0'\n        source: c"},
      {"service.secrets/gid", "'0'\n        source: c"},
      {"service.secrets/mode", "0440\n        source: c"},
      {"service.ulimits/soft", "10\n        hard: 10"},
      {"service.ulimits/hard", "10\n        soft: 10"},
      {"service.devices/source", "/dev/kvm"},
      {"service.devices/target", "/dev/kvm\n        source: /dev/kvm"},
      {"service.devices/permissions", "rw\n        source: /dev/kvm"},
      {"include/path", "other.yaml"},
      {"include/env_file", "f\n    path: other.yaml"},
      {"include/project_directory", ".\n    path: other.yaml"},
      {"network/driver", "bridge"},
      {"network/driver_opts", "{a: b}"},
      {"network/ipam", "{config: [{subnet: 10.0.0.0/24}]}"},
      {"network/external", "true"},
      {"network/internal", "true"},
      {"network/enable_ipv4", "false"},
      {"network/enable_ipv6", "true"},
      {"network/attachable", "true"},
      {"network/labels", "{a: b}"},
      {"volume/driver", "local"},
      {"volume/driver_opts", "{type: tmpfs}"},
      {"volume/external", "true"},
      {"volume/labels", "{a: b}"},
      {"secret/environment", "SET"},
      {"secret/file", "./f"},
      {"secret/external", "true\n    file: ./f"},
      {"secret/name", "mine\n    file: ./f"},
      {"secret/labels", "{a: b}\n    file: ./f"},
      {"secret/driver", "x\n    file: ./f"},
      {"secret/driver_opts", "{a: b}\n    file: ./f"},
      {"secret/template_driver", "x\n    file: ./f"},
      {"config/content", "text"},
      {"config/environment", "SET"},
      {"config/file", "./f"},
      {"config/external", "true\n    file: ./f"},
      {"config/name", "mine\n    file: ./f"},
      {"config/labels", "{a: b}\n    file: ./f"},
      {"config/template_driver", "x\n    file: ./f"},
  };
  const auto found = values.find(scope + "/" + key);
  return fmt::format("{}: {}\n", key, found == values.end() ? "something" : found->second);
}

struct Tried {
  Template tmpl;
  int line;  ///< of the key
};

Tried try_key(const std::string& scope, const std::string& key) {
  TestFolder folder;
  folder.write("t/Dockerfile", "FROM scratch\n");
  folder.write("t/f", "A=b\n");
  folder.write("t/.env", "SET=value\n");
  folder.write("t/base.yaml", "services: {c: {image: z}}\n");
  folder.write("t/other.yaml", "services: {c: {image: z}}\n");
  Frame frame = frame_of(scope);
  std::string lines = frame.indent + lines_of(scope, key);
  if (scope == "service.build" && key != "context") lines += frame.indent + "context: .\n";
  const auto at = frame.text.find('@');
  const int line =
      static_cast<int>(std::count(frame.text.begin(), frame.text.begin() + static_cast<std::ptrdiff_t>(at), '\n')) + 1;
  frame.text.replace(at, 1, lines);
  if (scope == "service" && key == "image") frame.text = "services:\n  b: {image: y}\n  a:\n    image: x\n";
  if (scope == "top" && key == "services") frame.text = kServices;
  Options options = test_options();
  if (scope == "service.devices") options.allow["t"].keys = {"devices"};
  return {read_compose_text(folder, frame.text, options), line};
}

bool has_line(const Template& tmpl, Problem::Severity severity, int line, const std::string& key) {
  for (const auto& problem : tmpl.problems) {
    if (problem.severity == severity && problem.line == line && problem.message.find(key) != std::string::npos)
      return true;
  }
  return false;
}

TEST(R1_3, EveryKeyOfTheSchemaIsInTheTable) {
  for (const auto& [scope, keys] : schema()) {
    for (const auto& key : keys) EXPECT_NE(find_key(scope, key), nullptr) << scope << " " << key;
  }
}

TEST(R1_3, EveryKeyIsHonouredOrRefused) {
  for (const auto& [scope, keys] : schema()) {
    for (const auto& key : keys) {
      SCOPED_TRACE(scope + " " + key);
      const Key* known = find_key(scope, key);
      ASSERT_NE(known, nullptr);
      const auto [tmpl, line] = try_key(scope, key);
      const std::string all = problems_text(tmpl);
      switch (known->verdict) {
        case Verdict::kHonoured:
          EXPECT_FALSE(tmpl.broken()) << all;
          EXPECT_FALSE(says(tmpl, "is ignored")) << all;
          break;
        case Verdict::kRewritten:
          EXPECT_FALSE(tmpl.broken()) << all;
          EXPECT_TRUE(has_line(tmpl, Problem::Severity::kWarning, line, key)) << line << "\n" << all;
          break;
        case Verdict::kIgnored:
          EXPECT_FALSE(tmpl.broken()) << all;
          EXPECT_TRUE(has_line(tmpl, Problem::Severity::kWarning, line, key)) << line << "\n" << all;
          break;
        case Verdict::kRefused:
          EXPECT_TRUE(has_line(tmpl, Problem::Severity::kError, line, key)) << line << "\n" << all;
          break;
      }
    }
  }
}

TEST(R1_3, AnUnknownKeyIsAnErrorWithTheNearestOne) {
  for (const auto& [scope, keys] : schema()) {
    SCOPED_TRACE(scope);
    const auto [tmpl, line] = try_key(scope, "zzqq");
    EXPECT_TRUE(has_line(tmpl, Problem::Severity::kError, line, "zzqq")) << line << "\n" << problems_text(tmpl);
  }
  TestFolder folder;
  const Template tmpl = read_compose_text(folder, "services:\n  a:\n    image: x\n    enviroment: {A: b}\n");
  EXPECT_EQ(problem_with(tmpl, "did you mean \"environment\"?").line, 4);
}

TEST(R1_3, ExtensionFieldsPass) {
  TestFolder folder;
  const Template tmpl =
      read_compose_text(folder, "x-note: {a: $b}\nservices:\n  a:\n    image: x\n    x-mine: 1\n    ports: [80]\n");
  EXPECT_TRUE(problems_text(tmpl).empty()) << problems_text(tmpl);
}

TEST(R1_3, TheReferenceNamesEveryKey) {
  std::ifstream file(std::string(TILTYARD_SOURCE_DIR) + "/docs/templates.md");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  ASSERT_FALSE(text.empty());
  for (const Key& key : all_keys()) {
    EXPECT_NE(text.find(fmt::format("| `{}` |", key.name)), std::string::npos) << key.scope << " " << key.name;
    if (!key.note.empty())
      EXPECT_NE(text.find(key.note), std::string::npos) << key.scope << " " << key.name << ": " << key.note;
  }
}

}  // namespace
}  // namespace tiltyard::templates
