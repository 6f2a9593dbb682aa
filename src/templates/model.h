#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/door.h"
#include "base/endpoint_kind.h"
#include "base/id.h"
#include "engine/spec.h"

namespace tiltyard::templates {

/// Something the reader found. An error breaks the template; a warning says what was rewritten or ignored, and why; a
/// note is as it should be, and worth knowing.
/// What mends a problem without changing what already works, here or with other tools that read the same files.
struct Fix {
  enum class Deed : std::uint8_t {
    kRename,   ///< the key `from`, in the problem's line, is meant to be `to`
    kDrop,     ///< the problem's line says `from`, which nobody hears
    kSetting,  ///< instance.toml says the line `to`
    kVariable  ///< .env says the line `to`
  };
  Deed deed = Deed::kSetting;
  std::string from = {}, to = {};

  bool operator==(const Fix&) const = default;
};

struct Problem {
  enum class Severity { kError, kWarning, kNote };
  Severity severity = Severity::kError;
  std::string file;  ///< relative to the template's folder
  int line = 0;      ///< from 1; 0: the whole file
  std::string message;
  std::optional<Fix> fix = std::nullopt;

  bool operator==(const Problem&) const = default;
};

/// "error", "warning", "note".
constexpr std::string_view word_of(Problem::Severity severity) {
  switch (severity) {
    case Problem::Severity::kError:
      return "error";
    case Problem::Severity::kWarning:
      return "warning";
    case Problem::Severity::kNote:
      break;
  }
  return "note";
}

/// What a player connects to.
struct Endpoint {
  std::string name;     ///< [a-z0-9-], unique in the template; "web", "ssh", "port-1337"
  std::string machine;  ///< the service's name
  std::uint16_t port = 0;
  EndpointKind kind = EndpointKind::kHttp;
  std::string called = {};  ///< the Host that the machine is asked by (HTTP); empty: the one that the player asks for
  bool guessed = false;     ///< HTTP by its port's number alone: what the machine answers decides, when one is started
  Handover handover = {};
  Door door = Door::kUnsaid;
};

/// The numbers of a lease policy; see labs/lease.h for what they mean. Zero: not limited.
struct LeasePolicy {
  std::string name = "ctf";
  std::chrono::seconds timeout{3600};
  std::chrono::seconds extend_by{1800};
  std::chrono::seconds extend_after{0};   ///< extendable once this much of the lease has passed …
  std::chrono::seconds extend_within{0};  ///< … or once no more than this is left
  int max_extensions = 0;
  std::chrono::seconds max_added{0};
  std::chrono::seconds max_total{0};
  std::map<std::string, std::chrono::seconds> by_context;  ///< first lease by context ("exam" → 3 h)
  std::string sweep_at;                                    ///< "18:00": expiry only at the daily sweep; empty: at once

  /// What the policy's name says of the numbers that follow from its timeout: "ctf" is extendable from half of the
  /// lease on, by as much again at most.
  void follow_timeout() {
    if (name != "ctf") return;
    extend_after = timeout / 2;
    max_added = timeout;
  }
};

struct Ready {
  std::string machine;  ///< empty: the first endpoint's
  std::uint16_t port = 0;
  std::string path;  ///< set: HTTP GET must answer with a status under 500; empty: as the endpoint's kind has it
  std::chrono::milliseconds interval{3000};
  std::chrono::seconds timeout{0};  ///< 0: max(10 × expected boot, 120 s)
};

enum class DependsOn { kStarted, kHealthy, kCompleted };

struct ServiceNetwork {
  std::string network;  ///< a key of Template::networks
  std::vector<std::string> aliases;
};

/// A file or folder of the template's that a machine sees.
struct BindSource {
  std::string path;  ///< relative to the template's folder, no symlink leaves it
  std::string target;
  bool read_only = true;            ///< false: every instance gets a copy of its own
  int mode = -1;                    ///< secrets and configs: permission bits; -1: as it is
  std::int64_t uid = -1, gid = -1;  ///< secrets and configs: whose they are; -1: root's
  bool fresh = false;               ///< it is not there: every instance begins with an empty folder
  bool large = false;               ///< a folder with more in it than is copied for each instance
  bool shared = false;              ///< another service may write to it: both see what the instance has of it
  std::optional<std::string>
      content;  ///< set: the file's text, given inline; `path` is then only a name that is unique in the template
};

/// Something in a Dockerfile that not every builder can do. The number is that of the Dockerfile syntax which brought
/// it, times a hundred: 102 is `docker/dockerfile:1.2`; 100 is every BuildKit.
struct BuildNeed {
  int line = 0;
  int syntax = 0;
  int least = 0;     ///< with which the same can still be said in older words (`rewrite_dockerfile`)
  std::string what;  ///< "COPY --link"
};

struct VolumeUse {
  std::string volume;  ///< a key of Template::volumes; empty: anonymous
  std::string target;
  bool read_only = false;
  bool no_copy = false;  ///< begins empty rather than with what the image has there
};

/// Whether set-user-ID programs and file capabilities of a machine count: as its image needs it, as its template says,
/// or not because the operator forbids it.
enum class SetUserId { kAsImage, kYes, kNo, kForbidden };

struct Service {
  std::string name;
  /// What is the same in every instance: image, command, environment, health check, limits, … The reader leaves name,
  /// labels, networks, bind and volume mounts to `labs`; tmpfs mounts are in it. `machine.image` is the reference to
  /// use: for a build the content-hash tag "tiltyard/t-<template>-<service>:<hash>".
  engine::MachineBase machine;
  engine::Container container;
  SetUserId set_user_id = SetUserId::kAsImage;
  std::optional<engine::BuildSpec> build;  ///< context is absolute; tag = machine.image
  std::map<std::string, DependsOn> depends_on;
  std::vector<std::string> optional_depends;  ///< names in depends_on whose absence or failure is no obstacle
  std::vector<ServiceNetwork> networks;
  std::vector<BindSource> binds;
  std::vector<VolumeUse> volumes;
  std::vector<std::pair<std::string, std::string>>
      extra_hosts;                   ///< name → service name of this instance, or an address
  std::vector<std::uint16_t> ports;  ///< container side of `ports` and `expose`, TCP
  std::vector<std::uint16_t> udp_ports;
  std::vector<std::string>
      base_images;     ///< what its build starts from and copies from, as references; empty without a build
  int build_runs = 0;  ///< RUN instructions of its Dockerfile: small builds go first
  std::vector<BuildNeed> build_needs;  ///< what not every builder can do for it
};

/// How machines get their owner's flag (rows 5.1 and 5.2). Patching of what holds the base text needs no key of its
/// own.
struct FlagPolicy {
  std::string alphabet = "0123456789abcdef";  ///< of the random part
  std::string base;            ///< the text before the random part; empty: found in the template's files or images
  std::string file;            ///< absolute path in the machine that holds the flag and a line end; empty: none
  std::string variable;        ///< environment variable that holds the flag; empty: none
  std::string machine;         ///< whose file and variable; empty: the first service
  bool read_at_start = false;  ///< its program reads the flag once, when it starts
  bool writable = false;       ///< the machine may write to the files that hold it
};

/// What players sign in with, and how machines get it where every owner has a password of their own (rows 1.1
/// and 1.14).
struct Credentials {
  std::string user;
  std::string password;        ///< everybody's; empty with `per_owner`
  bool per_owner = false;      ///< drawn anew for each instance and owner
  std::string file;            ///< absolute path in the machine that holds the password and a line end; empty: none
  std::string variable;        ///< environment variable that holds it; empty: none
  std::string machine;         ///< whose file and variable; empty: the first service
  bool read_at_start = false;  ///< its program reads it once, when it starts
  bool writable = false;       ///< the machine may write to `file`
};

/// Started instances that wait for an owner (row 1.14).
struct PoolPolicy {
  int min = 0;                           ///< kept ready; 0 with max 0: no pool
  int max = 0;                           ///< at most, when demand is high
  std::chrono::seconds idle{900};        ///< what is beyond `min` goes after so long without a claim
  std::chrono::seconds max_age{21'600};  ///< a waiting instance is replaced after
  bool pause = false;                    ///< frozen while it waits
};

struct PortRange {
  std::uint16_t first = 1, last = 65535;

  bool operator==(const PortRange&) const = default;
};

/// What an owner may open of the machines while they run (row 2.8). It can only be less than the operator allows.
struct OpenPorts {
  std::optional<std::vector<EndpointKind>> kinds;  ///< nullopt: as the operator says; empty: nothing, and nothing shown
  std::optional<int> max;                          ///< at once in one instance; nullopt: as the operator says
  std::vector<PortRange> ranges;                   ///< of the machine's ports; empty: all
  std::vector<std::string> machines;               ///< services; empty: all
};

/// The author's own program that proves an instance solvable (row 1.17). Ends with 0 when it got the flag it was told.
struct Solver {
  Service service;
  std::chrono::seconds timeout{60};
};

/// Packets of every instance are captured from its start on (row 2.7).
struct CapturePolicy {
  std::string filter;             ///< as for tcpdump; empty: everything
  std::int64_t bytes = 0;         ///< that are kept; 0: as the server has it
  std::chrono::seconds lasts{0};  ///< 0: as long as the instance
};

struct Network {
  std::string name;
  bool internal = true;  ///< false only where egress is asked for and the operator allows it
};

/// What can be started: the whole of a folder, validated. Immutable; a changed folder gives a new one.
struct Template {
  TemplateId id;
  std::string name, category, description;
  std::string folder;  ///< absolute
  std::string hash;    ///< of everything that makes it (content hash)
  bool active = true;
  std::vector<Service> services;  ///< in file order
  std::vector<Network> networks;  ///< empty with one service: the shared network will do
  std::vector<std::string> volumes;
  std::vector<Endpoint> endpoints;
  LeasePolicy lease;
  Ready ready;
  std::chrono::milliseconds expected_boot{10'000};
  std::string cost_centre = "ROOM";
  bool dynamic_flags = true;
  std::string flag_prefix;  ///< empty: the server's
  FlagPolicy flag;
  PoolPolicy pool;
  std::optional<Solver> solver;
  OpenPorts open_ports;
  std::optional<CapturePolicy> capture;
  bool record_terminals = false;        ///< what terminals show is kept (row 3.5)
  std::chrono::seconds pause_after{0};  ///< without a connection, then the machines are frozen; 0: never
  bool egress = false;
  int max_instances = 0;  ///< 0: not limited
  std::string engine;     ///< on which it is made; empty: where the operator says
  std::optional<Credentials> credentials;
  std::vector<Problem> problems;  ///< errors and warnings; broken if one is an error
  std::vector<Problem> notes;     ///< what was guessed, for the lint alone

  /// All that needs an image: the services, and behind them the solver.
  std::size_t image_users() const { return services.size() + (solver ? 1 : 0); }
  const Service& image_user(std::size_t index) const {
    return index < services.size() ? services[index] : solver->service;
  }

  bool broken() const {
    for (const auto& problem : problems) {
      if (problem.severity == Problem::Severity::kError) return true;
    }
    return false;
  }
};

}  // namespace tiltyard::templates
