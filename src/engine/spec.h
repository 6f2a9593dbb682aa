#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tiltyard::engine {

using Labels = std::map<std::string, std::string>;

/// Every resource of ours carries these.
inline constexpr char kLabelManaged[] = "tiltyard.managed";      ///< "true"
inline constexpr char kLabelNamespace[] = "tiltyard.namespace";  ///< as the operator named it
inline constexpr char kLabelServer[] = "tiltyard.server";        ///< which server's, by its own identity; images: none
inline constexpr char kLabelInstance[] = "tiltyard.instance";
inline constexpr char kLabelTemplate[] = "tiltyard.template";
inline constexpr char kLabelBase[] = "tiltyard.base";    ///< "1": an image that templates start from (images/make)
inline constexpr char kLabelBelow[] = "tiltyard.below";  ///< a hash of the ids of the images that a build started from
inline constexpr char kLabelMachine[] = "tiltyard.machine";
inline constexpr char kLabelOwner[] = "tiltyard.owner";
inline constexpr char kLabelCostCentre[] = "tiltyard.cost_centre";

/// Names a machine for as long as it exists; opaque to everybody but the engine that made it, and stored as it was
/// returned, so that a restart re-attaches.
struct Handle {
  int version = 1;
  std::string data;

  bool empty() const { return data.empty(); }
  bool operator==(const Handle&) const = default;
};

struct Ulimit {
  std::string name;
  std::int64_t soft = 0, hard = 0;
};

struct HealthCheck {
  std::vector<std::string> test;  ///< {"CMD", …} or {"CMD-SHELL", "…"}
  std::chrono::milliseconds interval{30'000}, timeout{30'000}, start_period{0};
  int retries = 3;
  bool disabled = false;
};

struct Resources {
  double cpus = 0;               ///< cores; 0: not limited
  std::int64_t memory = 0;       ///< bytes
  std::int64_t memory_swap = 0;  ///< bytes of memory and swap together, as Docker counts; equal to memory: no swap
  std::int64_t memory_reservation = 0;
  std::int64_t pids = 0;
  std::int64_t shm = 0;     ///< bytes of /dev/shm; 0: the engine's default
  std::int64_t disk = 0;    ///< bytes that a machine may write beyond its image; 0: not limited
  std::int64_t inodes = 0;  ///< files and folders that it may make; 0: not limited
  std::vector<Ulimit> ulimits;
};

struct Mount {
  /// kOver: a folder of this host that the machine may write to, and that does not change: what is written lies apart.
  enum class Kind { kBind, kVolume, kTmpfs, kOver };
  Kind kind = Kind::kBind;
  std::string source;  ///< bind, over: absolute path on this host; volume: its engine name; tmpfs: empty
  std::string target;
  bool read_only = true;
  std::int64_t tmpfs_size = 0;  ///< bytes; 0: 64 MiB
  int tmpfs_mode = 01777;
  std::string apart;          ///< over: a folder of this host with `upper`, for what is written, and `work`
  std::string tmpfs_options;  ///< of mount(8) beside those two: "exec,uid=1000"; a "size=50%" among them is the size
  bool no_copy = false;       ///< volume: begins empty rather than with what the image has there
};

struct Attachment {
  std::string network;
  std::string address;  ///< from our own plan
  std::vector<std::string> aliases;
};

/// What every kind of machine has. Whatever is not said has the hardened default (no published ports, log size cap).
struct MachineBase {
  std::string name;   ///< engine-wide unique, derived from the instance id
  std::string image;  ///< a reference or an image id that is already there
  std::string hostname;
  std::string domain;
  Labels labels;
  std::optional<std::chrono::milliseconds> stop_grace;
  std::vector<Attachment> networks;      ///< the first is the one with the default route
  std::vector<std::string> extra_hosts;  ///< "name:address"
  std::vector<std::string> dns, dns_search, dns_options;
  std::vector<std::uint16_t> exposed;  ///< TCP ports endpoints point to; informs the engine, publishes nothing
  Resources resources;
  std::int64_t log_bytes = 10 * 1024 * 1024;
};

/// What only a container has: programs of an image on the engine's own kernel. Hardened where nothing is said:
/// capabilities dropped but `capabilities`, no-new-privileges but where `set_user_id`, default seccomp.
struct Container {
  std::optional<std::vector<std::string>> entrypoint;  ///< nullopt: the image's
  std::optional<std::vector<std::string>> command;
  std::vector<std::string> environment;  ///< "KEY=value"
  std::string user, working_dir;
  std::vector<std::string> groups;  ///< more of its user's, by name or number
  bool init = false, read_only = false, terminal = false, open_stdin = false;
  std::string restart;  ///< no, always, on-failure, on-failure:N, unless-stopped; empty: nobody has said
  std::string stop_signal;
  std::optional<HealthCheck> health;
  std::vector<Mount> mounts;
  std::string network_of;  ///< a machine whose network it shares; then `networks`, `hostname` and `exposed` stay empty
  std::vector<std::string> capabilities;  ///< the whole set that is kept, without CAP_
  bool set_user_id = false;               ///< set-user-ID programs and file capabilities count, within `capabilities`
  std::map<std::string, std::string> sysctls;
  std::string runtime;                  ///< empty: the engine's default; "runsc" for gVisor
  bool privileged_by_operator = false;  ///< only by the operator's own configuration
  std::vector<std::string> devices;     ///< "/dev/net/tun:/dev/net/tun:rwm"; only by the operator's own configuration
};

/// What only a virtual machine has: its image is a disk, and a kernel of its own boots from it.
struct Vm {
  enum class Firmware { kBios, kUefi };
  Firmware firmware = Firmware::kUefi;
};

/// One machine, complete.
struct MachineSpec : MachineBase {
  std::variant<Container, Vm> kind;

  /// For those who know that it is one, having made it or looked.
  Container& container() { return std::get<Container>(kind); }
  const Container& container() const { return std::get<Container>(kind); }
};

/// A network of ours. Its machines reach neither the host nor private addresses nor other networks; how an engine sees
/// to that is its own business.
struct NetworkSpec {
  std::string name;
  std::string subnet;   ///< "10.64.3.0/28"
  std::string gateway;  ///< the host's own address on it
  bool shared = false;  ///< by instances of one machine each: no traffic between its machines
  bool egress = false;  ///< traffic to the internet, and only there, is allowed
  Labels labels;
};

/// A file that is sent to a build beside its context.
struct BuildText {
  std::string path;
  std::string text;
  int mode = 0644;
};

/// Builds `context` (a directory) with its Dockerfile; `tag` is the reference afterwards.
struct BuildSpec {
  std::string context;
  std::string dockerfile = "Dockerfile";   ///< relative to the context
  std::string dockerfile_text;             ///< if not empty: used instead of the file
  std::optional<std::string> ignore_text;  ///< set: counts instead of the ignore files in the context
  std::map<std::string, std::string> args;
  std::string target;
  /// What names stand for besides stages: a folder (absolute), or an image's reference.
  std::map<std::string, std::string> contexts;
  std::map<std::string, std::string> secrets;  ///< what a step is shown that asks for one of these ids
  std::string tag;
  Labels labels;
  std::vector<std::string> extra_hosts;
  std::int64_t memory = 0;
  std::chrono::seconds deadline{1800};
  bool network = true;
  bool buildkit = false;         ///< by the engine's BuildKit (see `Images::dockerfile_syntax`)
  std::string below;             ///< the folder in what is sent that holds the context; empty: it is all of it
  std::vector<BuildText> texts;  ///< only with `below`
};

}  // namespace tiltyard::engine
