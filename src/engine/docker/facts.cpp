#include "engine/docker/facts.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <sstream>

#include "engine/docker/answers.h"
#include "engine/docker/machine_body.h"

namespace tiltyard::engine::docker {
namespace {

namespace json = boost::json;

MachineState state_of(std::string_view word) {
  if (word == "running") return MachineState::kRunning;
  if (word == "paused") return MachineState::kPaused;
  if (word == "created") return MachineState::kCreated;
  if (word == "restarting") return MachineState::kRestarting;
  if (word == "exited") return MachineState::kExited;
  return MachineState::kDead;  // "dead", "removing"
}

Health health_of(std::string_view word) {
  if (word == "healthy") return Health::kHealthy;
  if (word == "unhealthy") return Health::kUnhealthy;
  if (word == "starting") return Health::kStarting;
  return Health::kNone;
}

std::optional<Happening> happening(std::string_view action) {
  using enum Happening;
  static const std::map<std::string_view, Happening> kActions{{"start", kStarted},
                                                              {"die", kDied},
                                                              {"oom", kOutOfMemory},
                                                              {"pause", kPaused},
                                                              {"unpause", kResumed},
                                                              {"health_status: healthy", kHealthy},
                                                              {"health_status: unhealthy", kUnhealthy},
                                                              {"destroy", kDestroyed}};
  const auto found = kActions.find(action);
  return found == kActions.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> strings(const json::value& value) {
  std::vector<std::string> out;
  if (const json::array* items = value.if_array()) {
    for (const auto& item : *items) out.push_back(text_of(item));
  }
  return out;
}

/// /containers/{id}/stats lists block transfers one line per device and direction.
void add_block_bytes(const json::value& lines, Stats& into) {
  const json::array* items = lines.if_array();
  if (!items) return;
  for (const auto& item : *items) {
    const std::string direction = text_of(item, "op");
    if (direction == "Read" || direction == "read") into.read_bytes += number_of(item, "value");
    if (direction == "Write" || direction == "write") into.write_bytes += number_of(item, "value");
  }
}

}  // namespace

Labels labels_of(const json::value& object) {
  Labels out;
  if (const json::object* members = object.if_object()) {
    for (const auto& [key, value] : *members) out.emplace(std::string(key.data(), key.size()), text_of(value));
  }
  return out;
}

TimePoint time_of(const json::value& value) {
  const auto time = parse_rfc3339(text_of(value));
  return time && to_micros(*time) > 0 ? *time : TimePoint{};
}

MachineStatus machine_status(const json::value& inspected) {
  MachineStatus out;
  const json::value& state = member(inspected, "State");
  out.state = state_of(text_of(state, "Status"));
  out.health = health_of(text_of(member(state, "Health"), "Status"));
  const json::array* checks = member(member(state, "Health"), "Log").if_array();
  if (out.health == Health::kUnhealthy && checks && !checks->empty())
    out.check_said = text_of(checks->back(), "Output");
  out.exit_code = static_cast<int>(number_of(state, "ExitCode"));
  out.out_of_memory = flag_of(state, "OOMKilled");
  out.error = text_of(state, "Error");
  out.engine_id = text_of(inspected, "Id");
  if (const json::object* networks = member(member(inspected, "NetworkSettings"), "Networks").if_object()) {
    for (const auto& [name, network] : *networks) {
      const std::string address = text_of(network, "IPAddress");
      if (!address.empty()) out.addresses.emplace(std::string(name.data(), name.size()), address);
    }
  }
  return out;
}

Resource listed_machine(const json::value& item) {
  Resource out;
  out.kind = ResourceKind::kMachine;
  // "Names" are ["/name"]; links would add more, and we make none.
  const auto names = strings(member(item, "Names"));
  if (!names.empty()) out.name = names.front().substr(names.front().starts_with('/') ? 1 : 0);
  out.labels = labels_of(member(item, "Labels"));
  out.created_at = TimePoint{std::chrono::seconds{number_of(item, "Created")}};
  out.state = state_of(text_of(item, "State"));
  out.handle = Handle{1, out.name};
  return out;
}

Resource listed_network(const json::value& item) {
  Resource out;
  out.kind = ResourceKind::kNetwork;
  out.name = text_of(item, "Name");
  out.labels = labels_of(member(item, "Labels"));
  out.created_at = time_of(member(item, "Created"));
  return out;
}

Resource listed_volume(const json::value& item) {
  Resource out;
  out.kind = ResourceKind::kVolume;
  out.name = text_of(item, "Name");
  out.labels = labels_of(member(item, "Labels"));
  out.created_at = time_of(member(item, "CreatedAt"));
  return out;
}

bool limits_disk(const json::value& info, std::istream& mounts) {
  const std::string driver = text_of(info, "Driver"), root = text_of(info, "DockerRootDir");
  if (driver == "btrfs" || driver == "zfs") return true;
  if (driver != "overlay2") return false;
  // The innermost mount that has the engine's folder.
  std::string best, options;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, where, kind, how;
    fields >> device >> where >> kind >> how;
    const bool within = where == "/" || root == where || root.starts_with(where + "/");
    if (!within || where.size() < best.size()) continue;
    best = where;
    options = kind == "xfs" ? "," + how + "," : "";
  }
  return options.contains(",pquota,") || options.contains(",prjquota,");
}

bool has_own_ids(const json::value& info) {
  return std::ranges::none_of(strings(member(info, "SecurityOptions")), [](const std::string& option) {
    return option.starts_with("name=userns") || option.starts_with("name=rootless");
  });
}

namespace {

/// Where a mount at `target` that is laid over a folder keeps what is written; empty: it is no such mount.
std::string upper_of(const json::value& inspected, const std::string& target) {
  const json::array* mounts = member(member(inspected, "HostConfig"), "Mounts").if_array();
  for (const auto& mount : mounts ? *mounts : json::array()) {
    if (text_of(mount, "Target") != target) continue;
    const auto options = text_of(member(member(member(mount, "VolumeOptions"), "DriverConfig"), "Options"), "o");
    constexpr std::string_view kUpper = ",upperdir=";
    const auto begin = options.find(kUpper);
    if (begin == std::string::npos) continue;
    const auto path = begin + kUpper.size();
    return options.substr(path, options.find(',', path) - path);
  }
  return {};
}

}  // namespace

Footprint footprint_of(const json::value& inspected, const std::string& files_folder) {
  Footprint out;
  std::istringstream(text_of(member(member(inspected, "Config"), "Labels"), kLabelDisk)) >> out.most_bytes >>
      out.most_inodes;
  const std::string layer = text_of(member(member(inspected, "GraphDriver"), "Data"), "UpperDir");
  if (layer.empty()) return out;
  out.folders.push_back(layer);
  const json::array* mounts = member(inspected, "Mounts").if_array();
  for (const auto& mount : mounts ? *mounts : json::array()) {
    std::string source = text_of(mount, "Source");
    if (auto upper = upper_of(inspected, text_of(mount, "Destination")); !upper.empty()) source = std::move(upper);
    const bool ours = !files_folder.empty() && source.starts_with(files_folder + "/");
    if (flag_of(mount, "RW") && (text_of(mount, "Type") == "volume" || ours)) out.folders.push_back(source);
  }
  return out;
}

std::vector<UsedRange> ranges_of(const json::value& network) {
  std::vector<UsedRange> out;
  const json::array* configs = member(member(network, "IPAM"), "Config").if_array();
  for (const auto& config : configs ? *configs : json::array()) {
    const std::string subnet = text_of(config, "Subnet");
    if (subnet.contains('.'))
      out.push_back({subnet, text_of(network, "Name"), false, labels_of(member(network, "Labels"))});
  }
  return out;
}

std::string bridge_of(const json::value& network) {
  const std::string named = text_of(member(network, "Options"), "com.docker.network.bridge.name");
  return named.empty() ? "br-" + text_of(network, "Id").substr(0, 12) : named;
}

std::vector<UsedRange> host_routes(std::istream& lines, const std::set<std::string>& but_over) {
  std::vector<UsedRange> out;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string interface, gateway, flags, references, uses, metric;
    in_addr_t destination = 0, mask = 0;
    fields >> interface >> std::hex >> destination >> gateway >> flags >> references >> uses >> metric >> mask;
    if (!fields || mask == 0 || but_over.contains(interface)) continue;
    const in_addr address{destination};
    char dotted[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &address, dotted, sizeof dotted);
    out.push_back({fmt::format("{}/{}", dotted, std::popcount(mask)), interface, true});
  }
  return out;
}

Stats machine_stats(const json::value& stats) {
  Stats out;
  out.cpu_nanos = number_of(member(member(stats, "cpu_stats"), "cpu_usage"), "total_usage");
  const json::value& memory = member(stats, "memory_stats");
  // The page cache can be given back; cgroup v1 says it as total_inactive_file, v2 as inactive_file.
  const json::value& detail = member(memory, "stats");
  const json::value& old_cache = member(detail, "total_inactive_file");
  const std::int64_t cache = number_of(old_cache.is_null() ? member(detail, "inactive_file") : old_cache);
  const std::int64_t usage = number_of(memory, "usage");
  out.memory = usage > cache ? usage - cache : usage;
  out.memory_limit = number_of(memory, "limit");
  out.pids = number_of(member(stats, "pids_stats"), "current");
  if (const json::object* networks = member(stats, "networks").if_object()) {
    for (const auto& [name, network] : *networks) {
      out.rx_bytes += number_of(network, "rx_bytes");
      out.tx_bytes += number_of(network, "tx_bytes");
    }
  }
  add_block_bytes(member(member(stats, "blkio_stats"), "io_service_bytes_recursive"), out);
  return out;
}

ImageInfo image_info(const json::value& inspected) {
  ImageInfo out;
  out.id = text_of(inspected, "Id");
  out.size = number_of(inspected, "Size");
  out.created_at = time_of(member(inspected, "Created"));
  const json::value& config = member(inspected, "Config");
  out.labels = labels_of(member(config, "Labels"));
  out.entrypoint = strings(member(config, "Entrypoint"));
  out.command = strings(member(config, "Cmd"));
  out.environment = strings(member(config, "Env"));
  out.user = text_of(config, "User");
  out.triggers = !strings(member(config, "OnBuild")).empty();
  if (const json::object* ports = member(config, "ExposedPorts").if_object()) {
    for (const auto& [name, unused] : *ports) {
      // "80/tcp"; other transports are not ours to route.
      const std::string_view port(name.data(), name.size());
      std::uint16_t value = 0;
      if (port.ends_with("/tcp") && std::from_chars(port.data(), port.data() + port.size(), value).ec == std::errc{}) {
        out.exposed_ports.push_back(value);
      }
    }
  }
  if (const json::object* volumes = member(config, "Volumes").if_object()) {
    for (const auto& [path, unused] : *volumes) out.volumes.emplace_back(path.data(), path.size());
  }
  return out;
}

int syntax_of(std::string_view version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  // Of each the BuildKit that was within its first release. What is called otherwise (Podman) has numbers far below.
  constexpr std::pair<int, int> kSince[] = {{29, 119}, {28, 114}, {27, 108}, {26, 107},
                                            {25, 106}, {24, 105}, {23, 104}, {20, 102}};
  for (const auto& [since, syntax] : kSince) {
    if (major >= since) return syntax;
  }
  return 0;
}

ImageEntry image_entry(const json::value& listed) {
  ImageEntry out;
  out.id = text_of(listed, "Id");
  for (auto& reference : strings(member(listed, "RepoTags"))) {
    if (reference != "<none>:<none>") out.references.push_back(std::move(reference));
  }
  out.size = number_of(listed, "Size");
  out.created_at = TimePoint(std::chrono::seconds(number_of(listed, "Created")));
  out.labels = labels_of(member(listed, "Labels"));
  return out;
}

std::optional<EngineEvent> engine_event(const json::value& event) {
  const auto what = happening(text_of(event, "Action"));
  if (!what || text_of(event, "Type") != "container") return std::nullopt;
  EngineEvent out{*what, {}, labels_of(member(member(event, "Actor"), "Attributes"))};
  if (const auto name = out.labels.find("name"); name != out.labels.end()) out.machine = name->second;
  return out;
}

}  // namespace tiltyard::engine::docker
