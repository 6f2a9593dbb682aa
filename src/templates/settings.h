#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "templates/desktop.h"
#include "templates/model.h"
#include "templates/problems.h"

namespace tiltyard::templates {

/// A value of instance.toml and where it stands.
template <class T>
struct Said {
  T value{};
  Place place;
};

/// Limits that an author names, in instance.toml or in a compose file; what is not named is the server's default.
struct Limits {
  std::optional<Said<double>> cpus;
  std::optional<Said<std::int64_t>> memory;  ///< bytes
  std::optional<Said<std::int64_t>> swap;    ///< bytes beyond the memory
  std::optional<Said<std::int64_t>> pids;
  std::optional<Said<std::int64_t>> disk;    ///< bytes
  std::optional<Said<std::int64_t>> inodes;  ///< files and folders
  std::optional<Said<std::int64_t>> files;   ///< open files of a process
};

struct EndpointSettings {
  std::string name, machine;
  std::uint16_t port = 0;
  std::optional<EndpointKind> kind;
  std::optional<Said<std::string>> host;
  std::optional<Said<TlsEnd>> tls;
  std::optional<Said<std::uint8_t>> proxy_protocol;
  std::optional<Said<bool>> client_claims;
  std::optional<Said<Door>> door;
  Place place;
};

struct LeaseSettings {
  std::optional<Said<std::string>> policy;
  std::optional<std::chrono::seconds> timeout, extend_by, extend_after, extend_within, max_added, max_total;
  std::optional<int> max_extensions;
};

struct ReadySettings {
  std::optional<Said<std::string>> machine;
  std::optional<Said<std::uint16_t>> port;
  std::optional<std::string> path;
  std::optional<std::chrono::milliseconds> interval, timeout;
};

/// The author's solver: an image, or a folder with a Dockerfile.
struct SolverSettings {
  Place place;
  std::optional<Said<std::string>> image, build;
  std::vector<std::string> command;
  std::chrono::seconds timeout{60};
};

struct DesktopSettings {
  Desktop desktop;
  std::optional<Said<std::string>> machine;
  bool has_password = false;
  Place place;
};

/// instance.toml, each key checked by itself.
struct Settings {
  std::optional<Said<std::string>> id, image;
  std::string name, category, description;
  bool active = true;
  std::vector<Said<std::uint16_t>> ports;
  bool ports_said = false;  ///< also by an empty list: what the compose file publishes is no endpoint then
  std::vector<EndpointSettings> endpoints;
  LeaseSettings lease;
  ReadySettings ready;
  Limits limits;
  std::chrono::milliseconds expected_boot{10'000};
  std::string cost_centre = "ROOM";
  bool dynamic_flags = true;
  std::string flag_prefix;
  FlagPolicy flag;
  std::optional<Said<std::string>> flag_machine;
  PoolPolicy pool;
  std::optional<SolverSettings> solver;
  OpenPorts open_ports;
  std::optional<CapturePolicy> capture;
  bool record_terminals = false;
  std::optional<DesktopSettings> desktop;
  std::vector<Said<std::string>> open_ports_machines;
  std::chrono::seconds pause_after{0};
  std::vector<Said<std::string>> access;
  std::optional<std::vector<std::string>> profiles;
  std::map<std::string, std::string> variables;
  std::optional<Said<bool>> egress, setuid;
  std::optional<Credentials> credentials;
  std::optional<Said<std::string>> credentials_machine;
  Place credentials_place;
  int max_instances = 0;
  std::string engine;
};

/// Reads the text of an instance.toml. Errors and warnings go to `problems` with their line; a key that is wrong keeps
/// its default. Never throws.
Settings read_settings(std::string_view text, Problems& problems);

/// The policy that instance.toml asks for, with the numbers of row 1.8 where it names none of its own.
LeasePolicy lease_policy(const LeaseSettings& settings, Problems& problems);

}  // namespace tiltyard::templates
