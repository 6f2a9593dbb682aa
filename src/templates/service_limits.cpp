#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::int64_t kMiB = 1024 * 1024;
/// Docker refuses less.
constexpr std::int64_t kLeastMemory = 6 * kMiB;

/// Capabilities that a machine may ask for by itself: none of them reaches beyond its own namespaces.
constexpr std::array<std::string_view, 12> kAddable{"AUDIT_WRITE", "CHOWN",   "DAC_OVERRIDE",     "FOWNER",
                                                    "FSETID",      "KILL",    "NET_BIND_SERVICE", "SETFCAP",
                                                    "SETGID",      "SETPCAP", "SETUID",           "SYS_CHROOT"};

/// Every capability there is, so that a slip of the pen is told from a refusal. capabilities(7)
constexpr std::array<std::string_view, 41> kCapabilities{"AUDIT_CONTROL",   "AUDIT_READ",   "AUDIT_WRITE",
                                                         "BLOCK_SUSPEND",   "BPF",          "CHECKPOINT_RESTORE",
                                                         "CHOWN",           "DAC_OVERRIDE", "DAC_READ_SEARCH",
                                                         "FOWNER",          "FSETID",       "IPC_LOCK",
                                                         "IPC_OWNER",       "KILL",         "LEASE",
                                                         "LINUX_IMMUTABLE", "MAC_ADMIN",    "MAC_OVERRIDE",
                                                         "MKNOD",           "NET_ADMIN",    "NET_BIND_SERVICE",
                                                         "NET_BROADCAST",   "NET_RAW",      "PERFMON",
                                                         "SETFCAP",         "SETGID",       "SETPCAP",
                                                         "SETUID",          "SYSLOG",       "SYS_ADMIN",
                                                         "SYS_BOOT",        "SYS_CHROOT",   "SYS_MODULE",
                                                         "SYS_NICE",        "SYS_PACCT",    "SYS_PTRACE",
                                                         "SYS_RAWIO",       "SYS_RESOURCE", "SYS_TIME",
                                                         "SYS_TTY_CONFIG",  "WAKE_ALARM"};

/// Kernel settings of a machine's own network and IPC namespaces that bring the host no harm.
constexpr std::array<std::string_view, 31> kSysctls{"fs.mqueue.msg_default",
                                                    "fs.mqueue.msg_max",
                                                    "fs.mqueue.msgsize_default",
                                                    "fs.mqueue.msgsize_max",
                                                    "fs.mqueue.queues_max",
                                                    "kernel.msgmax",
                                                    "kernel.msgmnb",
                                                    "kernel.msgmni",
                                                    "kernel.sem",
                                                    "kernel.shm_rmid_forced",
                                                    "kernel.shmall",
                                                    "kernel.shmmax",
                                                    "kernel.shmmni",
                                                    "net.core.somaxconn",
                                                    "net.ipv4.ip_local_port_range",
                                                    "net.ipv4.ip_local_reserved_ports",
                                                    "net.ipv4.ip_unprivileged_port_start",
                                                    "net.ipv4.ping_group_range",
                                                    "net.ipv4.tcp_fin_timeout",
                                                    "net.ipv4.tcp_keepalive_intvl",
                                                    "net.ipv4.tcp_keepalive_probes",
                                                    "net.ipv4.tcp_keepalive_time",
                                                    "net.ipv4.tcp_max_syn_backlog",
                                                    "net.ipv4.tcp_rmem",
                                                    "net.ipv4.tcp_syncookies",
                                                    "net.ipv4.tcp_tw_reuse",
                                                    "net.ipv4.tcp_wmem",
                                                    "net.ipv6.conf.all.disable_ipv6",
                                                    "net.ipv6.conf.default.disable_ipv6",
                                                    "net.ipv6.conf.lo.disable_ipv6",
                                                    "net.unix.max_dgram_qlen"};

constexpr std::array<std::string_view, 16> kUlimits{"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                                    "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                                    "rtprio",  "rttime",   "sigpending", "stack"};

/// Keeps one figure that may be said in several places, which must agree.
template <class T>
class Agreed {
 public:
  Agreed(std::string_view what, ReadContext& context) : what_(what), context_(context) {}

  void say(std::optional<T> value, const Place& place) {
    if (!value) return;
    if (said_ && said_->value != *value) {
      context_.problems.error(place, fmt::format("{} is said twice, and differently ({}:{}); keep one of them", what_,
                                                 said_->place.file(), said_->place.line));
    }
    if (!said_) said_ = Said<T>{*value, place};
  }
  /// What the service said, or else instance.toml.
  std::optional<Said<T>> or_else(const std::optional<Said<T>>& settings) const { return said_ ? said_ : settings; }

 private:
  std::string_view what_;
  ReadContext& context_;
  std::optional<Said<T>> said_;
};

/// The section `deploy.resources.<part>`, or null.
const Node* deploy_resources(const Node* service, std::string_view part) {
  const Node* node = service ? service->find("deploy") : nullptr;
  for (const std::string_view key : {std::string_view("resources"), part}) {
    node = node && node->is_map() ? node->find(key) : nullptr;
  }
  return node && node->is_map() ? node : nullptr;
}

const Node* at(const Node* map, std::string_view key) {
  const Node* node = map ? map->find(key) : nullptr;
  return node && !node->is_null() ? node : nullptr;
}

std::string bytes_text(std::int64_t bytes) {
  if (bytes % kMiB == 0) return fmt::format("{} MiB", bytes / kMiB);
  return fmt::format("{} bytes", bytes);
}

void over(ReadContext& context, const Place& place, std::string_view what, const std::string& asked,
          const std::string& ceiling) {
  context.problems.error(place, fmt::format("{} of {} is over the server's ceiling of {}", what, asked, ceiling));
}

void read_cpus(const Node* service, ReadContext& context, engine::Resources& resources) {
  Agreed<double> cpus("the limit of processors", context);
  if (const Node* node = at(service, "cpus")) cpus.say(as_decimal(*node, "cpus", context), node->place);
  if (const Node* node = at(deploy_resources(service, "limits"), "cpus"))
    cpus.say(as_decimal(*node, "cpus", context), node->place);
  const Node* quota = at(service, "cpu_quota");
  const Node* period = at(service, "cpu_period");
  if (period && !quota) context.problems.error(period->place, "`cpu_period` says nothing without `cpu_quota`");
  if (quota) {
    const auto share = as_integer(*quota, "cpu_quota", context, 1000, 100'000'000);
    const auto of = period ? as_integer(*period, "cpu_period", context, 1000, 1'000'000) : 100'000;
    if (share && of) cpus.say(static_cast<double>(*share) / static_cast<double>(*of), quota->place);
  }
  const auto said = cpus.or_else(context.settings.limits.cpus);
  const double ceiling = context.options.bounds.ceiling.cpus;
  resources.cpus = said ? said->value : context.options.bounds.defaults.cpus;
  if (said && !(said->value >= 0.01)) context.problems.error(said->place, "at least 0.01 processors");
  if (ceiling <= 0 || resources.cpus <= ceiling) return;
  if (said) over(context, said->place, "a processor limit", fmt::format("{}", said->value), fmt::format("{}", ceiling));
  resources.cpus = ceiling;
}

void read_memory(const Node* service, ReadContext& context, engine::Resources& resources) {
  const auto& bounds = context.options.bounds;
  Agreed<std::int64_t> memory("the memory limit", context);
  if (const Node* node = at(service, "mem_limit")) memory.say(as_bytes(*node, "mem_limit", context), node->place);
  if (const Node* node = at(deploy_resources(service, "limits"), "memory"))
    memory.say(as_bytes(*node, "memory", context), node->place);
  const auto said = memory.or_else(context.settings.limits.memory);
  resources.memory = said ? said->value : bounds.defaults.memory;
  if (said && said->value < kLeastMemory)
    context.problems.error(said->place, fmt::format("a memory limit of at least {}", bytes_text(kLeastMemory)));
  if (bounds.ceiling.memory > 0 && resources.memory > bounds.ceiling.memory) {
    if (said) over(context, said->place, "a memory limit", bytes_text(said->value), bytes_text(bounds.ceiling.memory));
    resources.memory = bounds.ceiling.memory;
  }
  Agreed<std::int64_t> reserved("the reserved memory", context);
  if (const Node* node = at(service, "mem_reservation"))
    reserved.say(as_bytes(*node, "mem_reservation", context), node->place);
  if (const Node* node = at(deploy_resources(service, "reservations"), "memory"))
    reserved.say(as_bytes(*node, "memory", context), node->place);
  if (const auto reservation = reserved.or_else(std::nullopt)) {
    resources.memory_reservation = reservation->value;
    if (resources.memory > 0 && reservation->value > resources.memory) {
      context.problems.error(reservation->place,
                             fmt::format("{} are reserved of a limit of {}", bytes_text(reservation->value),
                                         bytes_text(resources.memory)));
    }
  }
}

/// Memory and swap together; the same as the memory alone means no swap, which is the default.
void read_swap(const Node* service, ReadContext& context, engine::Resources& resources) {
  const auto& bounds = context.options.bounds;
  const std::int64_t most = std::max<std::int64_t>(0, bounds.ceiling.memory_swap - bounds.ceiling.memory);
  std::optional<Said<std::int64_t>> swap = context.settings.limits.swap;
  if (const Node* node = at(service, "memswap_limit")) {
    if (node->is_scalar() && trim(node->text) == "-1") {
      over(context, node->place, "swap", "any size", bytes_text(most));
    } else if (const auto total = as_bytes(*node, "memswap_limit", context); total && *total > 0) {
      if (*total < resources.memory)
        context.problems.error(node->place, "`memswap_limit` counts the memory too and is not less than it");
      else swap = Said<std::int64_t>{*total - resources.memory, node->place};
    }
  }
  std::int64_t granted =
      swap ? swap->value : std::max<std::int64_t>(0, bounds.defaults.memory_swap - bounds.defaults.memory);
  if (granted > most) {
    if (swap) over(context, swap->place, "swap", bytes_text(granted), bytes_text(most));
    granted = most;
  }
  resources.memory_swap = resources.memory > 0 ? resources.memory + granted : 0;
}

void read_pids(const Node* service, ReadContext& context, engine::Resources& resources) {
  Agreed<std::int64_t> pids("the limit of processes", context);
  if (const Node* node = at(service, "pids_limit")) {
    if (node->is_scalar() && (trim(node->text) == "-1" || trim(node->text) == "0")) {
      over(context, node->place, "a number of processes", "any size",
           fmt::format("{}", context.options.bounds.ceiling.pids));
    } else {
      pids.say(as_integer(*node, "pids_limit", context, 1, 4'194'304), node->place);
    }
  }
  if (const Node* node = at(deploy_resources(service, "limits"), "pids"))
    pids.say(as_integer(*node, "pids", context, 1, 4'194'304), node->place);
  const auto said = pids.or_else(context.settings.limits.pids);
  const std::int64_t ceiling = context.options.bounds.ceiling.pids;
  resources.pids = said ? said->value : context.options.bounds.defaults.pids;
  if (ceiling <= 0 || resources.pids <= ceiling) return;
  if (said)
    over(context, said->place, "a number of processes", fmt::format("{}", said->value), fmt::format("{}", ceiling));
  resources.pids = ceiling;
}

void read_sizes(const Node* service, ReadContext& context, engine::Resources& resources) {
  const auto& bounds = context.options.bounds;
  resources.shm = bounds.defaults.shm;
  if (const Node* node = at(service, "shm_size")) {
    if (const auto size = as_bytes(*node, "shm_size", context)) {
      if (bounds.ceiling.shm > 0 && *size > bounds.ceiling.shm)
        over(context, node->place, "shared memory", bytes_text(*size), bytes_text(bounds.ceiling.shm));
      else resources.shm = *size;
    }
  }
  const auto& limits = context.settings.limits;
  resources.disk = limits.disk ? limits.disk->value : bounds.defaults.disk;
  if (bounds.ceiling.disk > 0 && resources.disk > bounds.ceiling.disk) {
    if (limits.disk)
      over(context, limits.disk->place, "a disk limit", bytes_text(limits.disk->value),
           bytes_text(bounds.ceiling.disk));
    resources.disk = bounds.ceiling.disk;
  }
  resources.inodes = limits.inodes ? limits.inodes->value : bounds.defaults.inodes;
  if (bounds.ceiling.inodes > 0 && resources.inodes > bounds.ceiling.inodes) {
    if (limits.inodes)
      over(context, limits.inodes->place, "a number of files", fmt::format("{}", limits.inodes->value),
           fmt::format("{}", bounds.ceiling.inodes));
    resources.inodes = bounds.ceiling.inodes;
  }
}

void set_ulimit(std::vector<engine::Ulimit>& ulimits, engine::Ulimit one) {
  const auto there = std::ranges::find(ulimits, one.name, &engine::Ulimit::name);
  if (there != ulimits.end()) *there = std::move(one);
  else ulimits.push_back(std::move(one));
}

void check_ulimit(const engine::Ulimit& one, const Place& place, ReadContext& context) {
  const auto endless = [](std::int64_t value) { return value < 0; };
  if (!endless(one.hard) && (endless(one.soft) || one.soft > one.hard)) {
    context.problems.error(place, fmt::format("ulimit {}: soft is more than hard", one.name));
  }
  if ((one.name == "rtprio" || one.name == "nice" || one.name == "rttime") && one.hard != 0) {
    context.problems.error(
        place, fmt::format("ulimit {} is refused: it raises a priority above the host's own programs", one.name));
  }
  for (const auto& ceiling : context.options.bounds.ceiling.ulimits) {
    if (ceiling.name != one.name) continue;
    if (endless(one.hard) || one.hard > ceiling.hard) {
      over(context, place, fmt::format("ulimit {}", one.name),
           endless(one.hard) ? "any size" : fmt::format("{}", one.hard), fmt::format("{}", ceiling.hard));
    }
  }
}

void read_ulimits(const Node* service, ReadContext& context, engine::Resources& resources) {
  resources.ulimits = context.options.bounds.defaults.ulimits;
  if (const auto& files = context.settings.limits.files) {
    engine::Ulimit one{"nofile", files->value, files->value};
    check_ulimit(one, files->place, context);
    set_ulimit(resources.ulimits, std::move(one));
  }
  const Node* node = at(service, "ulimits");
  if (!node || !want_map(*node, "ulimits", context)) return;
  for (const auto& [name, place, value] : node->members) {
    if (std::ranges::find(kUlimits, name) == kUlimits.end()) {
      context.problems.error(place,
                             fmt::format("\"{}\" is no ulimit{}", printable(name), did_you_mean(name, kUlimits)));
      continue;
    }
    engine::Ulimit one{name, 0, 0};
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    if (value.is_map()) {
      check_keys(value, "service.ulimits", context.problems);
      const Node* soft = value.find("soft");
      const Node* hard = value.find("hard");
      if (!soft || !hard) {
        context.problems.error(place, fmt::format("ulimit {} needs soft and hard", name));
        continue;
      }
      one.soft = as_integer(*soft, "soft", context, -1, kMost).value_or(0);
      one.hard = as_integer(*hard, "hard", context, -1, kMost).value_or(0);
    } else {
      one.soft = one.hard = as_integer(value, name, context, -1, kMost).value_or(0);
    }
    check_ulimit(one, place, context);
    set_ulimit(resources.ulimits, std::move(one));
  }
}

std::string capability_name(std::string_view text) {
  std::string name = upper(text);
  return name.starts_with("CAP_") ? name.substr(4) : name;
}

void read_capabilities(const Node& service, ReadContext& context, engine::Container& container) {
  std::set<std::string> kept = kept_capabilities();
  const auto known = [&](const Node& item, std::string_view name) {
    if (name == "ALL" || std::ranges::find(kCapabilities, name) != kCapabilities.end()) return true;
    context.problems.error(
        item.place, fmt::format("\"{}\" is no capability{}", printable(item.text), did_you_mean(name, kCapabilities)));
    return false;
  };
  if (const Node* drop = at(&service, "cap_drop")) {
    for (const Node* item : as_list(*drop, "cap_drop", context)) {
      const auto text = as_text(*item, "cap_drop", context, 64);
      if (!text) continue;
      const std::string name = capability_name(*text);
      if (!known(*item, name)) continue;
      if (name == "ALL") kept.clear();
      else kept.erase(name);
    }
  }
  if (const Node* add = at(&service, "cap_add")) {
    for (const Node* item : as_list(*add, "cap_add", context)) {
      const auto text = as_text(*item, "cap_add", context, 64);
      if (!text) continue;
      const std::string name = capability_name(*text);
      if (!known(*item, name)) continue;
      const bool free = std::ranges::find(kAddable, name) != kAddable.end();
      if (!free && !context.allows("cap:" + name)) {
        context.problems.error(item->place, fmt::format("cap_add {0} is refused: it reaches beyond the machine; an "
                                                        "operator can allow it, with allow.{1} = [\"cap:{0}\"] below "
                                                        "[templates] of the server's configuration",
                                                        name, context.id));
      } else if (name == "ALL") {
        kept.insert(kCapabilities.begin(), kCapabilities.end());
      } else {
        kept.insert(name);
      }
    }
  }
  container.capabilities.assign(kept.begin(), kept.end());
}

void read_sysctls(const Node& service, ReadContext& context, engine::Container& container) {
  const Node* node = at(&service, "sysctls");
  if (!node) return;
  const Node pairs = as_pairs(*node);
  if (!pairs.is_map()) return context.problems.error(node->place, "`sysctls` takes a map, or a list of name=value");
  for (const auto& [name, place, value] : pairs.members) {
    const bool free = std::ranges::find(kSysctls, name) != kSysctls.end();
    if (!free && !context.allows("sysctl:" + name)) {
      context.problems.error(place,
                             fmt::format("sysctl {0} is refused: it is not on the list of those that stay in the "
                                         "machine; an operator can allow it, with allow.{1} = [\"sysctl:{0}\"] "
                                         "below [templates] of the server's configuration",
                                         printable(name), context.id));
      continue;
    }
    const auto text = as_text(value, name, context, 100);
    if (!text || text->empty() || text->find_first_not_of("0123456789 \t-") != std::string::npos) {
      context.problems.error(place, fmt::format("sysctl {} takes numbers", printable(name)));
    } else {
      container.sysctls[name] = *text;
    }
  }
}

/// What `security_opt` says of set-user-ID programs; nullopt: nothing.
std::optional<Said<bool>> read_security_opt(const Node& service, ReadContext& context) {
  std::optional<Said<bool>> counts;
  const Node* node = at(&service, "security_opt");
  if (!node) return counts;
  for (const Node* item : as_list(*node, "security_opt", context)) {
    auto text = as_text(*item, "security_opt", context, 4096);
    if (!text) continue;
    std::ranges::replace(*text, '=', ':');
    const bool none = *text == "no-new-privileges" || *text == "no-new-privileges:true";
    if (none || *text == "no-new-privileges:false") {
      counts = Said<bool>{!none, item->place};
      continue;
    }
    context.problems.error(item->place, fmt::format("security_opt \"{}\" is refused: it takes no-new-privileges:true "
                                                    "or false; every machine keeps the engine's own seccomp profile",
                                                    printable(*text, 40)));
  }
  return counts;
}

bool allows_setuid(const ReadContext& context) { return context.options.setuid || context.allows("setuid"); }

void read_devices(const Node& service, ReadContext& context, engine::Container& container) {
  const Member* member = service.member("devices");
  if (!member || member->value.is_empty()) return;
  if (!context.allows("devices")) {
    return context.problems.error(member->place,
                                  fmt::format("\"devices\" is refused: {}", find_key("service", "devices")->note));
  }
  for (const Node* item : as_list(member->value, "devices", context)) {
    std::string device;
    if (item->is_map()) {
      check_keys(*item, "service.devices", context.problems);
      const auto source = text_at(*item, "source", context).value_or("");
      device = fmt::format("{}:{}:{}", source, text_at(*item, "target", context).value_or(source),
                           text_at(*item, "permissions", context).value_or("rwm"));
    } else {
      const std::string text = as_text(*item, "devices", context).value_or("");
      const auto parts = split(text, ':');
      device = fmt::format("{}:{}:{}", parts[0], parts.size() > 1 ? parts[1] : parts[0],
                           parts.size() > 2 ? parts[2] : "rwm");
    }
    if (device.starts_with("/dev/") && device.find("..") == std::string::npos)
      container.devices.push_back(std::move(device));
    else context.problems.error(item->place, "a device is a path below /dev");
  }
}

}  // namespace

const std::set<std::string>& kept_capabilities() {
  static const std::set<std::string> kept{"CHOWN", "DAC_OVERRIDE",     "FOWNER", "FSETID",
                                          "KILL",  "NET_BIND_SERVICE", "SETGID", "SETUID"};
  return kept;
}

bool may_forge(const Service& service) {
  const auto beyond = [](const std::string& name) { return std::ranges::find(kAddable, name) == kAddable.end(); };
  return service.container.privileged_by_operator || !service.container.devices.empty() ||
         std::ranges::any_of(service.container.capabilities, beyond);
}

Bounds standard_bounds() {
  Bounds bounds;
  bounds.defaults.cpus = 0.5;
  bounds.defaults.memory = 256 * kMiB;
  bounds.defaults.memory_swap = 256 * kMiB;
  bounds.defaults.pids = 256;
  bounds.defaults.disk = 4096 * kMiB;
  bounds.defaults.inodes = 400'000;
  bounds.defaults.ulimits = {{"nofile", 1024, 4096}};
  bounds.ceiling.cpus = 2;
  bounds.ceiling.memory = 2048 * kMiB;
  bounds.ceiling.memory_swap = 2048 * kMiB;
  bounds.ceiling.pids = 2048;
  bounds.ceiling.disk = std::int64_t{1024} * 1024 * kMiB;
  bounds.ceiling.inodes = 100'000'000;
  bounds.ceiling.shm = 1024 * kMiB;
  bounds.ceiling.ulimits = {{"nofile", 65536, 65536}};
  return bounds;
}

void read_limits(const Node* service, ReadContext& context, engine::Resources& resources) {
  read_cpus(service, context, resources);
  read_memory(service, context, resources);
  read_swap(service, context, resources);
  read_pids(service, context, resources);
  read_sizes(service, context, resources);
  read_ulimits(service, context, resources);
}

SetUserId set_user_id(const Node* service, ReadContext& context) {
  auto said = service ? read_security_opt(*service, context) : std::nullopt;
  if (!said) said = context.settings.setuid;
  if (said && said->value && !allows_setuid(context)) {
    context.problems.error(
        said->place,
        "set-user-ID programs are forbidden here (templates.setuid = \"forbid\"): take the line out, "
        "or an operator can allow \"setuid\" for this template");
  }
  if (said) return said->value ? SetUserId::kYes : SetUserId::kNo;
  return allows_setuid(context) ? SetUserId::kAsImage : SetUserId::kForbidden;
}

void read_privileges(const Node& service, ReadContext& context, engine::Container& container) {
  read_capabilities(service, context, container);
  read_sysctls(service, context, container);
  read_devices(service, context, container);
  if (const Member* member = service.member("privileged");
      member && as_bool(member->value, "privileged", context).value_or(false)) {
    if (context.allows("privileged")) container.privileged_by_operator = true;
    else
      context.problems.error(member->place,
                             fmt::format("\"privileged\" is refused: {}", find_key("service", "privileged")->note));
  }
  if (const Member* member = service.member("runtime"); member && !member->value.is_empty()) {
    const auto name = as_text(member->value, "runtime", context, 64);
    if (name && context.allows("runtime:" + *name)) container.runtime = *name;
    else if (name)
      context.problems.error(member->place,
                             fmt::format("\"runtime\" is refused: {}", find_key("service", "runtime")->note));
  }
}

}  // namespace tiltyard::templates
