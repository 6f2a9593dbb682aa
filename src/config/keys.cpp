#include "config/keys.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tiltyard::config {
namespace {

using namespace std::chrono_literals;
using enum Apply;

constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kTiB = 1ULL << 40;

template <class Enum>
Choice choice(Enum& value, std::vector<std::string_view> words) {
  return Choice{std::move(words), [&value] { return static_cast<std::size_t>(value); },
                [&value](std::size_t index) { value = static_cast<Enum>(index); }};
}

void server_keys(Server& s, std::vector<Key>& keys) {
  keys.push_back({"server", "listen",
                  "Where the page and the API are served. Port 0 takes a free one. Put a TLS proxy in front, or give a "
                  "certificate, before you listen on more than the loopback.",
                  kRestart, Text{&s.listen, Text::Form::kAddress}});
  keys.push_back(
      {"server", "public_url",
       "The URL that people use, if it is not the address above: \"https://ctf.example\". Links are made from it.",
       kRestart, Text{&s.public_url, Text::Form::kUrl}});
  keys.push_back({"server", "threads",
                  "Event loops for connections, beside the one for everything else; 0: one per processor core. With 1 "
                  "there is one thread for both.",
                  kRestart, Number{&s.threads, 0, 64}});
  keys.push_back({"server", "trusted_proxies", "Addresses or networks of proxies whose X-Forwarded-For is believed.",
                  kRestart, Texts{&s.trusted_proxies, Texts::Form::kNetworks}});
  keys.push_back({"server", "tls_certificate",
                  "PEM file with the certificate chain; turns TLS on, together with tls_key.", kRestart,
                  Text{&s.tls_certificate, Text::Form::kPath}});
  keys.push_back({"server", "tls_key", "PEM file with the certificate's private key.", kRestart,
                  Text{&s.tls_key, Text::Form::kPath}});
}

void gateway_keys(Gateway& g, std::vector<Key>& keys) {
  keys.push_back({"gateway", "listen",
                  "Where players' HTTP traffic to their machines comes in. Port 0 takes a free one.", kRestart,
                  Text{&g.listen, Text::Form::kAddress}});
  keys.push_back(
      {"gateway", "domain",
       "The domain under which every instance has a name: {instance}.{domain}. It needs a wildcard DNS entry and "
       "must not be the server's own host, because players' machines are hostile to the page.",
       kRestart, Text{&g.domain, Text::Form::kHost}});
  keys.push_back({"gateway", "public_host", "The host that is shown for raw TCP endpoints; empty: the domain.",
                  kRestart, Text{&g.public_host, Text::Form::kHost}});
  keys.push_back({"gateway", "tcp_address", "The local address on which raw TCP ports are opened.", kRestart,
                  Text{&g.tcp_address, Text::Form::kHost}});
  keys.push_back({"gateway", "ports", "The range of raw TCP ports.", kRestart, Ports{&g.ports}});
  keys.push_back({"gateway", "public_port",
                  "The port in instances' URLs, if a proxy in front of the gateway has another one; 0: as in listen.",
                  kRestart, Number{&g.public_port, 0, 65535}});
  keys.push_back({"gateway", "public_scheme",
                  "What instances' URLs begin with, and what machines are told in X-Forwarded-Proto: \"https\" if a "
                  "proxy in front "
                  "of the gateway takes the TLS off; \"auto\" is https when `public_port` is 443, else http.",
                  kRestart, choice(g.public_scheme, {"auto", "http", "https"})});
  keys.push_back({"gateway", "idle_timeout", "A connection without a byte either way is closed after this long.",
                  kRestart, Seconds{&g.idle_timeout, 1s, 24h}});
  keys.push_back({"gateway", "max_connections_per_instance", "Connections that one instance may have at a time.",
                  kRestart, Number{&g.max_connections_per_instance, 1, 100'000}});
}

void storage_keys(Store& s, Data& d, std::vector<Key>& keys) {
  keys.push_back({"store", "url",
                  "The database: sqlite:PATH, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE with libpq's options "
                  "(?sslmode=verify-full). The "
                  "password may also come from PGPASSWORD or PGPASSFILE.",
                  kRestart, Text{&s.url, Text::Form::kStoreUrl}});
  keys.push_back({"data", "path",
                  "The folder of what the server makes itself: the admin token, flag files of instances.", kRestart,
                  Text{&d.path, Text::Form::kPath}});
}

void template_keys(Templates& t, std::vector<Key>& keys) {
  keys.push_back({"templates", "path", "The folder that holds one folder per template.", kRestart,
                  Text{&t.path, Text::Form::kPath}});
  keys.push_back(
      {"templates", "watch", "Reload a template as soon as a file in its folder changes.", kRestart, Flag{&t.watch}});
  keys.push_back({"templates", "builds_at_once", "Images that are built side by side.", kRestart,
                  Number{&t.builds_at_once, 1, 16}});
  keys.push_back({"templates", "allow_pull",
                  "Whether images may be pulled from a registry; otherwise they must be there.", kRestart,
                  Flag{&t.allow_pull}});
  keys.push_back(
      {"templates", "allow",
       "What single templates may have beyond the safe defaults: a table from the template's id (\"*\": every "
       "template) to a list of \"egress\", \"privileged\", \"devices\", \"cap:NAME\", \"sysctl:NAME\", "
       "\"bind:/PATH\". As a variable: id=egress,cap:SYS_PTRACE;id2=egress.",
       kRestart, Allow{&t.allow}});
}

void engine_keys(Engine& e, Network& n, std::vector<Key>& keys) {
  keys.push_back({"engine", "kind", "What runs the machines. \"fake\" runs none and is for trying the server out.",
                  kRestart, choice(e.kind, {"docker", "fake"})});
  keys.push_back({"engine", "url",
                  "Where the engine answers: unix:///PATH, or tcp://HOST:PORT with the TLS files below.", kRestart,
                  Text{&e.url, Text::Form::kEngineUrl}});
  keys.push_back(
      {"engine", "namespace",
       "Marks what belongs to this server in the engine. A second server under the same name does not start.", kRestart,
       Text{&e.name_space, Text::Form::kNamespace}});
  keys.push_back({"engine", "tls_ca", "PEM file with the authority that the engine's certificate must come from.",
                  kRestart, Text{&e.tls_ca, Text::Form::kPath}});
  keys.push_back({"engine", "tls_certificate", "PEM file with the certificate that we show to the engine.", kRestart,
                  Text{&e.tls_certificate, Text::Form::kPath}});
  keys.push_back({"engine", "tls_key", "PEM file with that certificate's private key.", kRestart,
                  Text{&e.tls_key, Text::Form::kPath}});
  keys.push_back({"engine", "trust_remote_isolation",
                  "Start machines on an engine of another host, where our firewall table is not: that host's own rules "
                  "must keep its "
                  "machines from each other, from it, and from the internet.",
                  kRestart, Flag{&e.trust_remote_isolation}});
  keys.push_back({"engine", "runtime", "The OCI runtime for machines, such as \"runsc\"; empty: the engine's default.",
                  kRestart, Text{&e.runtime, Text::Form::kAny}});
  keys.push_back({"network", "pool",
                  "The private range that instances' networks are cut from, /8 to /16. What others use of it on this "
                  "host is left out.",
                  kRestart, Text{&n.pool, Text::Form::kNetwork}});
  keys.push_back({"network", "shared_size",
                  "Instances of a single machine on one shared network; a Linux bridge takes 1,023 ports.", kRestart,
                  Number{&n.shared_size, 1, 1000}});
}

void labs_keys(Labs& l, std::vector<Key>& keys) {
  keys.push_back({"labs", "spawns_at_once",
                  "Instances that are started side by side at most; how many go best is learned, the others queue.",
                  kRestart, Number{&l.spawns_at_once, 1, 64}});
  keys.push_back({"labs", "queue_limit", "Spawns that may queue; further ones are refused.", kRestart,
                  Number{&l.queue_limit, 0, 100'000}});
  keys.push_back({"labs", "instances_per_owner", "Live instances that one player or team may have.", kRestart,
                  Number{&l.instances_per_owner, 1, 10'000}});
  keys.push_back({"labs", "instances_total", "Live instances of everybody together.", kRestart,
                  Number{&l.instances_total, 1, 100'000}});
  keys.push_back({"labs", "fills_at_once", "Instances that are made for warm pools side by side, while nobody queues.",
                  kRestart, Number{&l.fills_at_once, 1, 16}});
  keys.push_back({"labs", "sweep_interval", "How often the engine is compared with the database.", kRestart,
                  Seconds{&l.sweep_interval, 1s, 24h}});
  keys.push_back({"labs", "sweep_window",
                  "What the engine has and the database does not is removed when it is older than this.", kRestart,
                  Seconds{&l.sweep_window, 0s, 24h}});
  keys.push_back({"labs", "expiry_interval",
                  "How often instances past their lease are looked for, beside the job that each of them has.",
                  kRestart, Seconds{&l.expiry_interval, 1s, 1h}});
  keys.push_back({"labs", "stop_grace", "How long a machine may take to stop before it is killed.", kRestart,
                  Seconds{&l.stop_grace, 0s, 5min}});
}

void flag_keys(Flags& f, std::vector<Key>& keys) {
  keys.push_back({"flags", "prefix",
                  "What flags begin with: FLAG{...}. A template may have its own, with [flag] prefix.", kRestart,
                  Text{&f.prefix, Text::Form::kFlagPrefix}});
}

void farm_keys(Farm& f, std::vector<Key>& keys) {
  keys.push_back({"farm", "config",
                  "The flag farm's own file, farm.toml (docs/farm.md): the game, the opponents, the jury. What stands "
                  "in it is taken "
                  "up while the server runs. Empty: there is no farm.",
                  kRestart, Text{&f.config, Text::Form::kPath}});
  keys.push_back({"farm", "grpc_listen",
                  "Where the farm also answers gRPC (api/proto/farm.proto), with the server's own TLS. Port 0 takes a "
                  "free one. Empty: it does not.",
                  kRestart, Text{&f.grpc_listen, Text::Form::kAddressOrNone}});
}

void limit_keys(Limits& l, std::vector<Key>& keys) {
  keys.push_back({"limits", "memory", "Memory of a machine whose template names none.", kRestart,
                  Bytes{&l.memory, 6 * kMiB, kTiB}});
  keys.push_back({"limits", "cpus", "Processor cores of a machine whose template names none.", kRestart,
                  Real{&l.cpus, 0.01, 1024}});
  keys.push_back(
      {"limits", "pids", "Processes of a machine whose template names none.", kRestart, Number{&l.pids, 8, 1'000'000}});
  keys.push_back({"limits", "max_memory", "The most memory that a template may ask for, per machine.", kRestart,
                  Bytes{&l.max_memory, 6 * kMiB, kTiB}});
  keys.push_back({"limits", "max_cpus", "The most processor cores that a template may ask for, per machine.", kRestart,
                  Real{&l.max_cpus, 0.01, 1024}});
  keys.push_back({"limits", "max_pids", "The most processes that a template may ask for, per machine.", kRestart,
                  Number{&l.max_pids, 8, 1'000'000}});
}

void people_keys(Admin& a, Auth& u, std::vector<Key>& keys) {
  keys.push_back({"admin", "token",
                  "A bearer token with every right. Empty: one is made at the first start and kept in the data folder.",
                  kRestart, SecretText{&a.token, 16}});
  keys.push_back(
      {"auth", "strategies",
       "How people sign in: \"local\" (name and password), \"token\" (API tokens), \"address\" (whoever comes "
       "from the hall's networks is known by the address alone), \"ctfd\" (access tokens of the CTFd at ctfd_url), "
       "\"oidc\" (the OpenID providers below).",
       kRestart, Texts{&u.strategies, Texts::Form::kStrategies}});
  keys.push_back(
      {"auth", "session_days", "Days after which a session ends.", kRestart, Number{&u.session_days, 1, 365}});
  keys.push_back({"auth", "proof_for",
                  "How long after a sign-in one's own sessions, tokens, password and address may be changed without "
                  "showing once more who one is.",
                  kRestart, Seconds{&u.proof_for, 1s, 24h}});
  keys.push_back(
      {"auth", "password_min", "Characters that a password has at least.", kRestart, Number{&u.password_min, 8, 128}});
  keys.push_back({"auth", "hall",
                  "Networks whose addresses may use the address strategy; empty: private and loopback ones.", kRestart,
                  Texts{&u.hall, Texts::Form::kNetworks}});
  keys.push_back(
      {"auth", "registration",
       "Who may make an account: nobody (\"off\"), who has an invitation's code (\"invite\"), everybody (\"open\").",
       kRestart, choice(u.registration, {"off", "invite", "open"})});
  keys.push_back(
      {"auth", "teams",
       "Whether instances, flags and limits belong to teams. \"auto\": while anybody is in a team, put there "
       "by staff or by the way of signing in. Who has no team then is told so.",
       kRestart, choice(u.teams, {"auto", "on", "off"})});
  keys.push_back({"auth", "ctfd_url", "Where the CTFd is whose access tokens are believed.", kRestart,
                  Text{&u.ctfd_url, Text::Form::kUrl}});
  keys.push_back(
      {"auth", "ctfd_token",
       "An access token of an administrator of that CTFd, only to ask whether it plays in teams; without it that is "
       "told from what players may see.",
       kRestart, SecretText{&u.ctfd_token, 16}});
  keys.push_back({"auth", "ctfd_admins",
                  "The role here of that CTFd's administrators; everybody else who comes from it is a player then, at "
                  "every sign-in. "
                  "\"off\": the CTFd says nothing about roles.",
                  kRestart, choice(u.ctfd_admins, {"off", "author", "operator", "admin"})});
  keys.push_back(
      {"auth", "oidc",
       "OpenID Connect providers, a section each: [auth.oidc.NAME] with issuer and client_id, and if wanted title, "
       "client_secret (or client_secret_file), scopes, name_claim, role_claim, roles = [\"VALUE=ROLE\"], team_claim, "
       "teams = [\"VALUE=TEAM\"], tls_ca. As a variable: NAME.issuer=https://...;NAME.client_id=...",
       kRestart, Oidc{&u.oidc}});
}

void rate_keys(Rates& r, Redis& d, std::vector<Key>& keys) {
  keys.push_back({"rates", "factor",
                  "What every rate limit of the API is multiplied by. Single limits are changed by staff at run time "
                  "(PATCH /api/v1/admin/limits).",
                  kRestart, Real{&r.factor, 0.01, 10'000}});
  keys.push_back({"redis", "url",
                  "Where several servers share what they count: redis://:PASSWORD@HOST:6379/0, rediss:// for TLS, or "
                  "unix:///PATH. Empty: each counts for itself.",
                  kRestart, SecretText{&d.url, 0}});
  keys.push_back({"redis", "prefix", "What our keys in Redis begin with; servers that share limits share it.", kRestart,
                  Text{&d.prefix, Text::Form::kNamespace}});
}

void realtime_keys(Realtime& r, std::vector<Key>& keys) {
  keys.push_back({"realtime", "origins",
                  "Pages of other origins that may connect to /socket.io/, with a token: \"https://scores.example\". "
                  "\"*\": any. Our own pages always may.",
                  kRestart, Texts{&r.origins, Texts::Form::kWords}});
  keys.push_back({"realtime", "max_connections", "Connections that may be open at a time.", kRestart,
                  Number{&r.max_connections, 1, 1'000'000}});
  keys.push_back({"realtime", "connections_per_user", "Connections that one user may have open.", kRestart,
                  Number{&r.connections_per_user, 1, 1'000'000}});
  keys.push_back({"realtime", "backlog", "What may wait for a client that does not read; then it is disconnected.",
                  kRestart, Bytes{&r.backlog, 16 * 1024, 1024 * kMiB}});
  keys.push_back(
      {"realtime", "history", "Messages that are kept of a chat room.", kRestart, Number{&r.history, 1, 100'000}});
  keys.push_back({"realtime", "ping_interval", "How often a connection is asked whether it is still there.", kRestart,
                  Seconds{&r.ping_interval, 1s, 1h}});
  keys.push_back(
      {"realtime", "ping_timeout", "How long its answer may take.", kRestart, Seconds{&r.ping_timeout, 1s, 1h}});
}

void notice_keys(Events& e, Notices& n, std::vector<Key>& keys) {
  keys.push_back({"events", "keep_days", "Days after which events are removed from the event log.", kRestart,
                  Number{&e.keep_days, 1, 3650}});
  keys.push_back({"notices", "discord_url",
                  "The webhook that is told of events: an https address as Discord makes it. Empty: none is.", kRestart,
                  SecretText{&n.discord_url, 16}});
  keys.push_back({"notices", "discord_kinds",
                  "The kinds of events that the webhook is told of; docs/event-kinds.md lists them.", kRestart,
                  Texts{&n.discord_kinds, Texts::Form::kWords}});
  keys.push_back({"notices", "smtp_url",
                  "The mail server: smtp://HOST:587 (STARTTLS, and no mail without it) or smtps://HOST:465. Empty: no "
                  "mail is sent.",
                  kRestart, Text{&n.smtp_url, Text::Form::kAny}});
  keys.push_back({"notices", "smtp_user", "The name to sign in with at the mail server; empty: none is given.",
                  kRestart, Text{&n.smtp_user, Text::Form::kAny}});
  keys.push_back(
      {"notices", "smtp_password", "The password that goes with it.", kRestart, SecretText{&n.smtp_password, 1}});
  keys.push_back({"notices", "smtp_ca",
                  "PEM file with the authority that the mail server's certificate must come from; empty: the system's.",
                  kRestart, Text{&n.smtp_ca, Text::Form::kPath}});
  keys.push_back(
      {"notices", "mail_from", "The sender of all mail: an address.", kRestart, Text{&n.mail_from, Text::Form::kAny}});
  keys.push_back({"notices", "mail_to", "The staff's address, which is told of mail_kinds; empty: nobody is.", kRestart,
                  Text{&n.mail_to, Text::Form::kAny}});
  keys.push_back({"notices", "mail_kinds", "The kinds of events that the staff are mailed.", kRestart,
                  Texts{&n.mail_kinds, Texts::Form::kWords}});
  keys.push_back({"notices", "tries",
                  "Times that a notice is tried, at growing intervals, before it is given up; 16 take about two hours.",
                  kRestart, Number{&n.tries, 1, 100}});
  keys.push_back({"notices", "plain_loopback",
                  "Whether a webhook or mail server on this machine's loopback may be spoken to without TLS: for a "
                  "relay beside the server, and for tests.",
                  kRestart, Flag{&n.plain_loopback}});
}

void observe_keys(Log& l, Metrics& m, std::vector<Key>& keys) {
  keys.push_back({"log", "level", "The least important level that is written.", kRestart,
                  choice(l.level, {"trace", "debug", "info", "warn", "error", "fatal"})});
  keys.push_back({"log", "format", "Lines for people, or one JSON object a line for programs.", kRestart,
                  choice(l.format, {"text", "json"})});
  keys.push_back(
      {"log", "file", "\"stderr\", or a file that is appended to.", kRestart, Text{&l.file, Text::Form::kLogFile}});
  keys.push_back({"metrics", "token",
                  "The bearer token that /metrics asks for. Empty: /metrics answers on the loopback only.", kRestart,
                  SecretText{&m.token, 16}});
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kSections = {{
    {"server", "The page and the API."},
    {"gateway", "The way from players to their machines."},
    {"store", "The database."},
    {"data", "The server's own files."},
    {"templates", "What can be started."},
    {"engine", "What runs the machines."},
    {"network", "The machines' addresses."},
    {"labs", "Starting, limiting and clearing up instances."},
    {"flags", "What players look for."},
    {"farm", "Attack/defence: stolen flags on their way to the jury."},
    {"limits", "What a machine gets, and may get."},
    {"admin", "The operator's own access."},
    {"auth", "How people sign in."},
    {"rates", "How often the API may be called."},
    {"redis", "What servers share."},
    {"realtime", "Open connections of pages and programs."},
    {"events", "The record of who did what."},
    {"notices", "Word to staff and users outside of the page."},
    {"log", "What the server writes down."},
    {"metrics", "What monitoring may read."},
}};

}  // namespace

std::string Key::variable() const {
  std::string variable = "TILTYARD_" + std::string(section) + "_" + std::string(name);
  std::ranges::transform(variable, variable.begin(), [](unsigned char c) { return std::toupper(c); });
  return variable;
}

std::vector<Key> keys_of(Settings& s) {
  std::vector<Key> keys;
  server_keys(s.server, keys);
  gateway_keys(s.gateway, keys);
  storage_keys(s.store, s.data, keys);
  template_keys(s.templates, keys);
  engine_keys(s.engine, s.network, keys);
  labs_keys(s.labs, keys);
  flag_keys(s.flags, keys);
  farm_keys(s.farm, keys);
  limit_keys(s.limits, keys);
  people_keys(s.admin, s.auth, keys);
  rate_keys(s.rates, s.redis, keys);
  realtime_keys(s.realtime, keys);
  notice_keys(s.events, s.notices, keys);
  observe_keys(s.log, s.metrics, keys);
  return keys;
}

std::string_view prose_of_section(std::string_view section) {
  for (const auto& [name, prose] : kSections) {
    if (name == section) return prose;
  }
  return {};
}

}  // namespace tiltyard::config
