#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "observe/log.h"

/// The configuration: one TOML file, every key overridable by an environment variable TILTYARD_SECTION_KEY (rows 15.1
/// and 15.2). What a key means, its bounds and whether it takes effect at once are declared in keys.cpp, once.
namespace tiltyard::config {

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};

struct Server {
  std::string listen = "127.0.0.1:8000";
  std::string public_url;
  int threads = 0;  ///< 0: one per core
  std::vector<std::string> trusted_proxies;
  std::string tls_certificate, tls_key;
};

/// How players' browsers reach the gateway: as `public_port` suggests (443 is https), or as is said.
enum class PublicScheme { kAuto, kHttp, kHttps };

struct Gateway {
  std::string listen = "127.0.0.1:8080";
  std::string domain = "localhost";
  std::string public_host;
  std::string tcp_address = "127.0.0.1";
  PortRange ports{20000, 29999};
  int public_port = 0;  ///< 0: the port that `listen` has
  PublicScheme public_scheme = PublicScheme::kAuto;
  std::chrono::seconds idle_timeout{300};
  int max_connections_per_instance = 1000;
};

struct Store {
  std::string url = "sqlite:data/tiltyard.db";
};

struct Data {
  std::string path = "data";
};

struct Templates {
  std::string path = "templates";
  bool watch = true;
  int builds_at_once = 1;
  bool allow_pull = false;
  std::map<std::string, std::vector<std::string>> allow;  ///< template id ("*": all) to what it may have
};

enum class EngineKind { kDocker, kFake };

struct Engine {
  EngineKind kind = EngineKind::kDocker;
  std::string url = "unix:///var/run/docker.sock";
  std::string name_space = "tiltyard";  ///< the key is `namespace`
  std::string tls_ca, tls_certificate, tls_key;
  bool trust_remote_isolation = false;
  std::string runtime;
};

struct Network {
  std::string pool = "10.64.0.0/12";
  int shared_size = 1000;
};

struct Labs {
  int spawns_at_once = 10;
  int queue_limit = 1000;
  int instances_per_owner = 3;
  int instances_total = 1000;
  int fills_at_once = 2;
  std::chrono::seconds sweep_interval{600};
  std::chrono::seconds sweep_window{300};
  std::chrono::seconds expiry_interval{60};
  std::chrono::seconds stop_grace{2};
};

struct Flags {
  std::string prefix = "FLAG";
};

struct Farm {
  std::string config;       ///< farm.toml; empty: no farm
  std::string grpc_listen;  ///< empty: no gRPC
};

struct Limits {
  std::uint64_t memory = 256ULL << 20;  ///< bytes
  double cpus = 0.5;
  int pids = 256;
  std::uint64_t max_memory = 4ULL << 30;  ///< bytes
  double max_cpus = 4;
  int max_pids = 4096;
};

struct Admin {
  Secret token;
};

/// Who may make an account for himself: nobody, who has an invitation's code, everybody.
enum class Registration { kOff, kInvite, kOpen };
/// Whether instances belong to teams: while anybody is in one, always, never.
enum class TeamMode { kAuto, kOn, kOff };

/// What a CTFd's administrators are here.
enum class CtfdAdmins { kOff, kAuthor, kOperator, kAdmin };

/// One OpenID Connect provider, [auth.oidc.NAME].
struct OidcProvider {
  std::string title;  ///< on the button of the sign-in page
  std::string issuer, client_id;
  Secret client_secret;            ///< empty: a public client
  std::string client_secret_file;  ///< read when the settings are loaded
  std::string tls_ca;
  std::vector<std::string> scopes = {"openid", "profile", "email"};
  std::string name_claim = "preferred_username", role_claim, team_claim;
  std::map<std::string, std::string> roles;  ///< a value of the role claim to player, author, operator, admin
  std::map<std::string, std::string>
      teams;  ///< a value of the team claim to a team's name; empty: the value is the name
};

struct Auth {
  std::vector<std::string> strategies = {"local", "token"};
  int session_days = 7;
  std::chrono::seconds proof_for = std::chrono::minutes{15};
  int password_min = 10;
  std::vector<std::string> hall;
  Registration registration = Registration::kOff;
  TeamMode teams = TeamMode::kAuto;
  std::string ctfd_url;
  Secret ctfd_token;
  CtfdAdmins ctfd_admins = CtfdAdmins::kOff;
  std::map<std::string, OidcProvider> oidc;
};

/// How often the API may be called.
struct Rates {
  double factor = 1;
};

struct Redis {
  Secret url;
  std::string prefix = "tiltyard";
};

/// Open connections of pages and programs.
struct Realtime {
  std::vector<std::string> origins;
  int max_connections = 20'000;
  int connections_per_user = 64;
  std::uint64_t backlog = 1ULL << 20;
  int history = 500;
  std::chrono::seconds ping_interval{25};
  std::chrono::seconds ping_timeout{20};
};

struct Events {
  int keep_days = 365;
};

/// Word to staff and users outside of the page.
struct Notices {
  Secret discord_url;
  std::vector<std::string> discord_kinds = {"instance.running", "instance.failed", "instance.extended",
                                            "instance.stopped", "instance.expired"};
  std::string smtp_url;
  std::string smtp_user;
  Secret smtp_password;
  std::string smtp_ca;
  std::string mail_from;
  std::string mail_to;
  std::vector<std::string> mail_kinds = {"submission.suspicious", "notice.failed"};
  int tries = 16;
  bool plain_loopback = false;
};

struct Log {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kText;
  std::string file = "stderr";
};

struct Metrics {
  Secret token;
};

/// All settings with their defaults. Paths are absolute, or relative to the working directory, once loaded.
struct Settings {
  Server server;
  Gateway gateway;
  Store store;
  Data data;
  Templates templates;
  Engine engine;
  Network network;
  Labs labs;
  Flags flags;
  Farm farm;
  Limits limits;
  Admin admin;
  Auth auth;
  Rates rates;
  Redis redis;
  Realtime realtime;
  Events events;
  Notices notices;
  Log log;
  Metrics metrics;
};

/// The variables that begin with TILTYARD_.
using Environment = std::map<std::string, std::string>;
Environment process_environment();

/// Reads the file (a missing or empty path: defaults), then the environment, then looks whether the settings fit each
/// other. Relative paths are relative to the file's folder (without a file: to the working directory).
/// `config-unreadable`, or `config-invalid`: the message names every problem on a line of its own, with file and line
/// or the variable; secrets are not in it.
Result<Settings> load(const std::string& path, const Environment& environment);

/// Whether settings fit each other (`config-invalid`): what no single key's bounds can say.
Result<> check(const Settings& settings);

/// A key whose value differs between two settings, and whether the running server can take it up.
struct Change {
  std::string key;  ///< "log.level"
  bool live = false;
};
std::vector<Change> changes(const Settings& before, const Settings& after);

/// Every key with its prose and default, commented out: a file to begin with.
std::string example_toml();
/// The same as a page of documentation (docs/configuration.md).
std::string markdown();

}  // namespace tiltyard::config
