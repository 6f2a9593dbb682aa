#include "guard/bodies.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "base/json.h"
#include "engine/docker/machine_body.h"
#include "engine/isolation/slice.h"
#include "engine/snapshots.h"

namespace tiltyard::guard {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using engine::docker::kBridgeOption;
using engine::docker::kPortTrafficOption;

using Fits = bool (*)(const json::value& value);
struct Member {
  std::string_view name;
  Fits fits;
};

bool text(const json::value& value) { return value.is_string() && value.get_string().find('\0') == json::string::npos; }
bool number(const json::value& value) { return value.is_int64() || value.is_uint64(); }
bool amount(const json::value& value) { return number(value) && value.to_number<double>() >= 0; }
bool flag(const json::value& value) { return value.is_bool(); }
bool no(const json::value& value) { return value.is_bool() && !value.get_bool(); }
bool texts(const json::value& value) {
  return value.is_array() && std::ranges::all_of(value.get_array(), [](const auto& each) { return text(each); });
}
bool text_map(const json::value& value) {
  return value.is_object() &&
         std::ranges::all_of(value.get_object(), [](const auto& each) { return text(each.value()); });
}
/// Looked into by a check of its own.
bool looked_into(const json::value&) { return true; }
bool is_private(const json::value& value) { return value == "private"; }
/// The one group of all machines, as either kind of engine calls it.
bool group_of_machines(const json::value& value) {
  return value == json::value(engine::isolation::slice_parent({true, false})) ||
         value == json::value(engine::isolation::slice_parent({false, false}));
}
bool empty_objects(const json::value& value) {
  const auto empty = [](const auto& each) { return each.value().is_object() && each.value().get_object().empty(); };
  return value.is_object() && std::ranges::all_of(value.get_object(), empty);
}

Result<> only(const json::value& value, std::span<const Member> members, std::string_view where) {
  const auto* object = value.if_object();
  if (object == nullptr) return refuse(fmt::format("{} that is no object", where));
  for (const auto& [key, held] : *object) {
    const std::string_view name(key.data(), key.size());
    const auto found = std::ranges::find(members, name, &Member::name);
    if (found == members.end()) return refuse(fmt::format("{}.{}", where, name.substr(0, 100)));
    if (!found->fits(held)) return refuse(fmt::format("this value of {}.{}", where, name));
  }
  return {};
}

Result<> each_of(const json::value& list, std::span<const Member> members, std::string_view where) {
  const auto* items = list.if_array();
  if (items == nullptr) return refuse(fmt::format("{} that is no list", where));
  for (const auto& item : *items) {
    if (auto good = only(item, members, where); !good) return good;
  }
  return {};
}

bool is(const json::value& value, std::initializer_list<std::string_view> words) {
  const auto* items = value.if_array();
  return items != nullptr && std::ranges::equal(*items, words, [](const json::value& item, std::string_view word) {
           return item.is_string() && std::string_view(item.get_string()) == word;
         });
}

constexpr std::array<Member, 5> kHealth{
    {{"Test", texts}, {"Interval", amount}, {"Timeout", amount}, {"StartPeriod", amount}, {"Retries", amount}}};
constexpr std::array<Member, 2> kRestart{{{"Name", text}, {"MaximumRetryCount", amount}}};
constexpr std::array<Member, 3> kUlimit{{{"Name", text}, {"Soft", number}, {"Hard", number}}};
constexpr std::array<Member, 3> kDevice{{{"PathOnHost", text}, {"PathInContainer", text}, {"CgroupPermissions", text}}};
constexpr std::array<Member, 2> kLog{{{"Type", text}, {"Config", looked_into}}};
constexpr std::array<Member, 3> kLogConfig{{{"max-size", text}, {"max-file", text}, {"compress", text}}};
constexpr std::array<Member, 1> kStorage{{{"size", text}}};
constexpr std::array<Member, 2> kEndpoint{{{"IPAMConfig", looked_into}, {"Aliases", texts}}};
constexpr std::array<Member, 1> kEndpointAddress{{{"IPv4Address", text}}};

constexpr std::array<Member, 17> kMachine{{{"Image", text},
                                           {"Hostname", text},
                                           {"Domainname", text},
                                           {"User", text},
                                           {"WorkingDir", text},
                                           {"Entrypoint", texts},
                                           {"Cmd", texts},
                                           {"Env", texts},
                                           {"Tty", flag},
                                           {"OpenStdin", flag},
                                           {"StopSignal", text},
                                           {"StopTimeout", amount},
                                           {"Healthcheck", looked_into},
                                           {"ExposedPorts", empty_objects},
                                           {"Labels", text_map},
                                           {"HostConfig", looked_into},
                                           {"NetworkingConfig", looked_into}}};

constexpr std::array<Member, 32> kHost{{{"Privileged", flag},
                                        {"CapDrop", texts},
                                        {"CapAdd", texts},
                                        {"SecurityOpt", texts},
                                        {"PidsLimit", amount},
                                        {"NanoCpus", amount},
                                        {"Memory", amount},
                                        {"MemorySwap", number},
                                        {"MemoryReservation", amount},
                                        {"ShmSize", amount},
                                        {"Ulimits", looked_into},
                                        {"LogConfig", looked_into},
                                        {"NetworkMode", text},
                                        {"IpcMode", is_private},
                                        {"CgroupnsMode", is_private},
                                        {"OomScoreAdj", amount},
                                        {"RestartPolicy", looked_into},
                                        {"PublishAllPorts", no},
                                        {"ReadonlyRootfs", flag},
                                        {"Init", flag},
                                        {"Mounts", looked_into},
                                        {"Tmpfs", looked_into},
                                        {"Devices", looked_into},
                                        {"Sysctls", text_map},
                                        {"Runtime", text},
                                        {"ExtraHosts", texts},
                                        {"GroupAdd", texts},
                                        {"DnsSearch", texts},
                                        {"DnsOptions", texts},
                                        {"StorageOpt", looked_into},
                                        {"CgroupParent", group_of_machines},
                                        {"Dns", texts}}};

bool granted(const Rules& rules, const std::string& what) { return rules.grants.contains(what); }

/// What a machine may always have: none of it reaches beyond its own namespaces.
bool usual_capability(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kUsual{"AUDIT_WRITE", "CHOWN",   "DAC_OVERRIDE",     "FOWNER",
                                                           "FSETID",      "KILL",    "NET_BIND_SERVICE", "SETFCAP",
                                                           "SETGID",      "SETPCAP", "SETUID",           "SYS_CHROOT"};
  return std::ranges::find(kUsual, name) != kUsual.end();
}

Result<> check_rights(const json::object& host, const Rules& rules) {
  if (flag_of(host, "Privileged")) {
    if (!granted(rules, "privileged")) return refuse("a privileged machine");
    return {};
  }
  if (!is(member(host, "CapDrop"), {"ALL"})) return refuse("a machine that keeps the engine's own capabilities");
  // Set-user-ID programs reach nothing that root in there does not have from its start: the list of capabilities.
  const bool free = member(host, "SecurityOpt").is_null() && granted(rules, "setuid");
  if (!free && !is(member(host, "SecurityOpt"), {"no-new-privileges"}))
    return refuse("a machine without no-new-privileges alone");
  for (const auto& name : texts_of(host, "CapAdd")) {
    if (!usual_capability(name) && !granted(rules, "cap:" + name)) return refuse("the capability " + name);
  }
  return {};
}

Result<> check_devices(const json::object& host, const Rules& rules) {
  const auto& devices = member(host, "Devices");
  if (devices.is_null()) return {};
  if (!granted(rules, "devices")) return refuse("a device of the host");
  if (auto good = each_of(devices, kDevice, "HostConfig.Devices"); !good) return good;
  for (const auto& device : devices.get_array()) {
    const auto path = text_of(device, "PathOnHost");
    if (!path.starts_with("/dev/") || path.contains("..")) return refuse("a device that is not below /dev");
  }
  return {};
}

/// Whether `path` lies below `folder`, and is written in one way only.
bool lies_below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder + "/") && fs::path(path).lexically_normal() == path && !path.ends_with('/');
}

/// An instance's own file: FOLDER/INSTANCE/AREA/NAME. What is on the way there, no machine can change: only what lies
/// below such a name is mounted into one.
Result<> check_own_file(const std::string& path, const Rules& rules) {
  const auto below = path.substr(rules.files.size() + 1);
  struct stat there{};
  if (std::ranges::count(below, '/') != 2) return refuse("a bind of " + path);
  if (::lstat(path.c_str(), &there) != 0 || !(S_ISREG(there.st_mode) || S_ISDIR(there.st_mode)))
    return refuse("a bind of " + path + ", which is no file and no folder");
  return {};
}

Result<> check_bind(const json::object& mount, const Rules& rules) {
  static constexpr std::array<Member, 1> kOptions{{{"Propagation", text}}};
  if (auto good = only(member(mount, "BindOptions"), kOptions, "BindOptions"); !good) return good;
  if (text_of(member(mount, "BindOptions"), "Propagation") != "rprivate") return refuse("a bind that propagates");
  const auto source = text_of(mount, "Source");
  if (lies_below(source, rules.files)) return check_own_file(source, rules);
  if (granted(rules, "bind:" + source)) return {};
  if (!lies_below(source, rules.templates)) return refuse("a bind of " + source);
  if (!flag_of(mount, "ReadOnly")) return refuse("a bind that writes to a template: " + source);
  return check_roots_own(source);
}

/// "lowerdir=L,upperdir=U/upper,workdir=U/work": a folder of a template's below, and of an instance's own above.
Result<> check_over(const json::object& mount, const Rules& rules) {
  static constexpr std::array<Member, 2> kDriver{{{"Name", text}, {"Options", looked_into}}};
  static constexpr std::array<Member, 3> kOptions{{{"type", text}, {"device", text}, {"o", text}}};
  const auto& driver = member(member(mount, "VolumeOptions"), "DriverConfig");
  if (auto good = only(driver, kDriver, "DriverConfig"); !good) return good;
  const auto& options = member(driver, "Options");
  if (auto good = only(options, kOptions, "DriverConfig.Options"); !good) return good;
  if (mount.contains("Source") || text_of(driver, "Name") != "local" || text_of(options, "type") != "overlay" ||
      text_of(options, "device") != "overlay")
    return refuse("a volume of another kind");
  constexpr std::string_view kLower = "lowerdir=", kUpper = ",upperdir=", kWork = ",workdir=";
  const auto said = text_of(options, "o");
  const auto upper = said.find(kUpper), work = said.find(kWork);
  if (!said.starts_with(kLower) || upper == std::string::npos || work == std::string::npos || work < upper)
    return refuse("an overlay of another form");
  const auto below = said.substr(kLower.size(), upper - kLower.size());
  const auto above = said.substr(upper + kUpper.size(), work - upper - kUpper.size());
  const auto own = above.substr(0, above.rfind('/'));
  if (std::ranges::count(said, ',') != 2 || said.find_first_of(":\\") != std::string::npos || above != own + "/upper" ||
      said.substr(work + kWork.size()) != own + "/work")
    return refuse("an overlay of another form");
  if (!lies_below(below, rules.templates) || !lies_below(own, rules.files)) return refuse("an overlay of " + below);
  if (auto good = check_roots_own(below); !good) return good;
  return check_own_file(own, rules);
}

Result<> check_mounts(const json::object& host, Call& call, const Rules& rules) {
  static constexpr std::array<Member, 6> kMount{{{"Target", text},
                                                 {"Type", text},
                                                 {"Source", text},
                                                 {"ReadOnly", flag},
                                                 {"BindOptions", looked_into},
                                                 {"VolumeOptions", looked_into}}};
  static constexpr std::array<Member, 2> kVolumeOptions{{{"NoCopy", flag}, {"DriverConfig", looked_into}}};
  const auto& mounts = member(host, "Mounts");
  if (mounts.is_null()) return {};
  if (auto good = each_of(mounts, kMount, "HostConfig.Mounts"); !good) return good;
  for (const auto& each : mounts.get_array()) {
    const auto& mount = each.get_object();
    const auto type = text_of(mount, "Type");
    Result<> good;
    if (type == "bind") {
      good = check_bind(mount, rules);
    } else if (type == "volume") {
      const auto name = text_of(mount, "Source");
      const auto& options = member(mount, "VolumeOptions");
      if (mount.contains("BindOptions")) good = refuse("a volume with options of a bind");
      else if (!options.is_null()) good = only(options, kVolumeOptions, "VolumeOptions");
      if (!good) return good;
      if (options.is_object() && options.get_object().contains("DriverConfig")) good = check_over(mount, rules);
      else if (!granted(rules, "volume:" + name)) call.named.push_back({Kind::kVolume, name});
    } else {
      good = refuse("a mount of the kind " + type);
    }
    if (!good) return good;
  }
  return {};
}

/// "mode=0700,size=16777216,exec,uid=1000": of a tmpfs, and nothing that would make it another mount.
bool are_options_of_tmpfs(std::string_view options) {
  static constexpr std::array<std::string_view, 10> kWords{"rw",     "ro",    "exec",    "noexec",   "suid",
                                                           "nosuid", "nodev", "noatime", "relatime", "strictatime"};
  static constexpr std::array<std::string_view, 5> kNumbers{"size", "mode", "uid", "gid", "nr_inodes"};
  for (;;) {
    const auto end = options.find(',');
    const auto option = options.substr(0, end);
    const auto equals = option.find('=');
    const bool word = equals == std::string_view::npos && std::ranges::find(kWords, option) != kWords.end();
    auto value = equals == std::string_view::npos ? std::string_view() : option.substr(equals + 1);
    if (value.ends_with('%')) value.remove_suffix(1);
    const bool number = !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos &&
                        std::ranges::find(kNumbers, option.substr(0, equals)) != kNumbers.end();
    if (!word && !number) return false;
    if (end == std::string_view::npos) return true;
    options.remove_prefix(end + 1);
  }
}

Result<> check_tmpfs(const json::object& host) {
  const auto& mounts = member(host, "Tmpfs");
  if (mounts.is_null()) return {};
  if (!text_map(mounts)) return refuse("this value of HostConfig.Tmpfs");
  for (const auto& [target, options] : mounts.get_object()) {
    if (!are_options_of_tmpfs(options.get_string())) return refuse("options of a tmpfs that are none");
  }
  return {};
}

Result<> check_log(const json::object& host) {
  const auto& log = member(host, "LogConfig");
  if (log.is_null()) return {};
  if (auto good = only(log, kLog, "LogConfig"); !good) return good;
  const auto type = text_of(log, "Type");
  if (type != "json-file" && type != "local") return refuse("the log driver " + type);
  return only(member(log, "Config"), kLogConfig, "LogConfig.Config");
}

Result<> check_endpoint(const json::value& endpoint) {
  if (auto good = only(endpoint, kEndpoint, "an endpoint"); !good) return good;
  const auto& address = member(endpoint, "IPAMConfig");
  return address.is_null() ? Result<>{} : only(address, kEndpointAddress, "an endpoint's IPAMConfig");
}

/// Nothing of the host's, and no network but ours: the firewall table knows those alone.
Result<> check_networks(const json::object& body, const json::object& host, Call& call) {
  static constexpr std::array<Member, 1> kNetworking{{{"EndpointsConfig", looked_into}}};
  constexpr std::string_view kWith = "container:";
  const auto mode = text_of(host, "NetworkMode");
  if (mode.starts_with(kWith)) call.named.push_back({Kind::kMachine, mode.substr(kWith.size())});
  else if (mode != "none") call.named.push_back({Kind::kNetwork, mode});
  const auto& networking = member(body, "NetworkingConfig");
  if (networking.is_null()) return {};
  if (auto good = only(networking, kNetworking, "NetworkingConfig"); !good) return good;
  const auto* endpoints = member(networking, "EndpointsConfig").if_object();
  if (endpoints == nullptr) return refuse("NetworkingConfig without a list");
  for (const auto& [key, endpoint] : *endpoints) {
    call.named.push_back({Kind::kNetwork, std::string(key.data(), key.size())});
    if (auto good = check_endpoint(endpoint); !good) return good;
  }
  return {};
}

Result<> check_host(const json::object& host, Call& call, const Rules& rules) {
  if (auto good = only(host, kHost, "HostConfig"); !good) return good;
  if (auto good = check_rights(host, rules); !good) return good;
  if (number_of(host, "PidsLimit") <= 0) return refuse("a machine without a limit of processes");
  if (text_of(host, "IpcMode") != "private" || text_of(host, "CgroupnsMode") != "private")
    return refuse("a machine in namespaces that are not its own");
  for (const auto& [name, members] : std::initializer_list<std::pair<std::string_view, std::span<const Member>>>{
           {"RestartPolicy", kRestart}, {"StorageOpt", kStorage}}) {
    const auto& held = member(host, name);
    if (held.is_null()) continue;
    if (auto good = only(held, members, name); !good) return good;
  }
  if (const auto& limits = member(host, "Ulimits"); !limits.is_null()) {
    if (auto good = each_of(limits, kUlimit, "HostConfig.Ulimits"); !good) return good;
  }
  const auto runtime = text_of(host, "Runtime");
  if (!runtime.empty() && runtime != rules.runtime && !granted(rules, "runtime:" + runtime))
    return refuse("the runtime " + runtime);
  if (auto good = check_log(host); !good) return good;
  if (auto good = check_devices(host, rules); !good) return good;
  if (auto good = check_tmpfs(host); !good) return good;
  return check_mounts(host, call, rules);
}

Result<> check_labels(const json::object& body, const Rules& rules) {
  if (!ours(member(body, "Labels").if_object(), rules)) return refuse("what does not carry our labels");
  return {};
}

Result<> check_machine_name(const json::object& body, Call& call) {
  const auto name = text_of(body, "Container");
  if (name.empty()) return refuse("a machine without a name");
  call.named.push_back({Kind::kMachine, name});
  return {};
}

}  // namespace

bool may_be_ours(std::string_view name, const Rules& rules) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto usual = [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; };
  if (name.size() == 64 && std::ranges::all_of(name, hex)) return true;
  return name.size() <= 255 && name.starts_with(rules.name_space + "-") && std::ranges::all_of(name, usual);
}

Result<> check_roots_own(const std::string& path) {
  fs::path here = "/";
  for (const auto& part : fs::path(path)) {
    here /= part;
    struct stat there{};
    if (::lstat(here.c_str(), &there) != 0) return refuse("a bind of " + path + ", which is not there");
    const bool writable = (there.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (there.st_mode & S_ISVTX) == 0;
    if (there.st_uid != 0 || writable || !(S_ISDIR(there.st_mode) || S_ISREG(there.st_mode)))
      return refuse(fmt::format("a bind of {}: {} must belong to root, be writable to nobody else, and be no link",
                                path, here.string()));
  }
  return {};
}

Result<> check_machine(const json::object& body, Call& call, const Rules& rules) {
  if (auto good = only(body, kMachine, "a machine"); !good) return good;
  if (auto good = check_labels(body, rules); !good) return good;
  if (const auto& health = member(body, "Healthcheck"); !health.is_null()) {
    if (auto good = only(health, kHealth, "Healthcheck"); !good) return good;
  }
  const auto* host = member(body, "HostConfig").if_object();
  if (host == nullptr) return refuse("a machine without HostConfig");
  if (auto good = check_host(*host, call, rules); !good) return good;
  return check_networks(body, *host, call);
}

Result<> check_network(const json::object& body, Call& call, const Rules& rules) {
  static constexpr std::array<Member, 8> kNetwork{{{"Name", text},
                                                   {"Labels", text_map},
                                                   {"CheckDuplicate", flag},
                                                   {"Driver", text},
                                                   {"Internal", flag},
                                                   {"EnableIPv6", no},
                                                   {"IPAM", looked_into},
                                                   {"Options", text_map}}};
  static constexpr std::array<Member, 2> kIpam{{{"Driver", text}, {"Config", looked_into}}};
  static constexpr std::array<Member, 2> kRange{{{"Subnet", text}, {"Gateway", text}}};
  if (auto good = only(body, kNetwork, "a network"); !good) return good;
  if (auto good = check_labels(body, rules); !good) return good;
  const auto name = text_of(body, "Name");
  if (!name.starts_with(rules.name_space + "-") || !may_be_ours(name, rules))
    return refuse("a network of another name");
  const auto& ipam = member(body, "IPAM");
  if (auto good = only(ipam, kIpam, "IPAM"); !good) return good;
  if (auto good = each_of(member(ipam, "Config"), kRange, "IPAM.Config"); !good) return good;
  if (text_of(body, "Driver") != "bridge" || text_of(ipam, "Driver") != "default")
    return refuse("a network of another driver");
  // The firewall table goes by the bridge's name: four letters say what its machines may do.
  const auto* options = member(body, "Options").if_object();
  const auto bridge = options == nullptr ? std::string() : text_of(*options, kBridgeOption);
  const bool guarded = bridge.size() == 14 && (bridge.starts_with("tys") || bridge.starts_with("tyn")) &&
                       (bridge[3] == '-' || bridge[3] == 'e') &&
                       std::ranges::all_of(bridge.substr(4), [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!guarded) return refuse("a network whose bridge the firewall table does not know");
  if (flag_of(body, "Internal") == (bridge[3] == 'e')) return refuse("a network that is not what its bridge says");
  for (const auto& [key, value] : *options) {
    const std::string_view option(key.data(), key.size());
    if (option != kBridgeOption && option != kPortTrafficOption) return refuse(fmt::format("the option {}", option));
  }
  call.made.push_back({Kind::kNetwork, name});
  return {};
}

Result<> check_connect(const json::object& body, Call& call, const Rules&) {
  static constexpr std::array<Member, 2> kConnect{{{"Container", text}, {"EndpointConfig", looked_into}}};
  if (auto good = only(body, kConnect, "a connection"); !good) return good;
  if (auto good = check_endpoint(member(body, "EndpointConfig")); !good) return good;
  return check_machine_name(body, call);
}

Result<> check_disconnect(const json::object& body, Call& call, const Rules&) {
  static constexpr std::array<Member, 2> kDisconnect{{{"Container", text}, {"Force", flag}}};
  if (auto good = only(body, kDisconnect, "a disconnection"); !good) return good;
  return check_machine_name(body, call);
}

/// Its mark alone: an image that says what its machines run is nobody's to make here.
Result<> check_snapshot(const json::object& body, Call&, const Rules&) {
  static constexpr std::array<Member, 1> kSnapshot{{{"Labels", text_map}}};
  static constexpr std::array<Member, 1> kMark{{{engine::kLabelSnapshot, text}}};
  if (auto good = only(body, kSnapshot, "a snapshot"); !good) return good;
  return only(member(body, "Labels"), kMark, "a snapshot's labels");
}

/// No driver and no options: with them a volume is any folder of the host.
Result<> check_volume(const json::object& body, Call&, const Rules& rules) {
  static constexpr std::array<Member, 2> kVolume{{{"Name", text}, {"Labels", text_map}}};
  if (auto good = only(body, kVolume, "a volume"); !good) return good;
  const auto name = text_of(body, "Name");
  if (!name.starts_with(rules.name_space + "-") || !may_be_ours(name, rules)) return refuse("a volume of another name");
  return check_labels(body, rules);
}

Result<> check_exec(const json::object& body, Call&, const Rules&) {
  static constexpr std::array<Member, 8> kExec{{{"AttachStdin", flag},
                                                {"AttachStdout", flag},
                                                {"AttachStderr", flag},
                                                {"Tty", flag},
                                                {"Cmd", texts},
                                                {"Env", texts},
                                                {"User", text},
                                                {"WorkingDir", text}}};
  return only(body, kExec, "a command");
}

Result<> check_exec_start(const json::object& body, Call&, const Rules&) {
  static constexpr std::array<Member, 2> kStart{{{"Detach", no}, {"Tty", flag}}};
  return only(body, kStart, "the start of a command");
}

}  // namespace tiltyard::guard
