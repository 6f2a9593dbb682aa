// Every key of the server: which there are, what they begin with, and the page that is made of them.
#include "app/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/test_folder.h"
#include "identity/capability.h"
#include "labs/capability.h"
#include "templates/capability.h"

namespace tiltyard::app {
namespace {

using config::Environment;

/// Settings with their keys.
struct Bound {
  Bound() { declare_keys(keys, settings); }
  Result<> read(const std::string& path, const Environment& environment = {}) { return keys.read(path, environment); }

  Settings settings;
  config::Keys keys;
};

std::string error_in(const std::string& toml, const Environment& environment = {}) {
  const TestFolder folder;
  const auto read = Bound().read(folder.write("tiltyard.toml", toml), environment);
  if (read) return "(no error)";
  EXPECT_EQ(read.error().reason, "config-invalid");
  return read.error().message;
}

testing::AssertionResult has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << part << "\" is not in:\n" << text;
}

/// Another valid value for every key, as a variable's text and as TOML.
struct Sample {
  std::string variable, toml;
};
const std::map<std::string, Sample> kSamples = {
    {"server.listen", {"[::1]:9000", R"("[::1]:9000")"}},
    {"server.public_url", {"https://ctf.example/", R"("https://ctf.example/")"}},
    {"server.threads", {"3", "3"}},
    {"server.max_connections", {"500", "500"}},
    {"server.connections_per_address", {"50", "50"}},
    {"server.buffers", {"512m", R"("512M")"}},
    {"server.buffers_per_address", {"16m", R"("16M")"}},
    {"server.buffers_per_user", {"8m", R"("8M")"}},
    {"server.trusted_proxies", {"10.0.0.0/8,::1", R"(["10.0.0.0/8", "::1"])"}},
    {"server.hosts", {"ctf.lan,10.0.0.5", R"(["ctf.lan", "10.0.0.5"])"}},
    {"server.allow_targets", {"127.0.0.1,10.9.0.0/16", R"(["127.0.0.1", "10.9.0.0/16"])"}},
    {"server.tls_certificate", {"a.pem", R"("a.pem")"}},
    {"server.tls_key", {"b.pem", R"("b.pem")"}},
    {"contest.practice", {"false", "false"}},
    {"contest.points", {"250", "250"}},
    {"contest.public_boards", {"true", "true"}},
    {"names.free_domain", {"apps.example", R"("apps.example")"}},
    {"names.own_domains", {"true", "true"}},
    {"names.per_owner", {"7", "7"}},
    {"names.reserved", {"hall,fame", R"(["hall", "fame"])"}},
    {"names.resolver", {"192.0.2.53,[::1]:5353", R"(["192.0.2.53", "[::1]:5353"])"}},
    {"names.target", {"gate.example", R"("gate.example")"}},
    {"names.addresses", {"192.0.2.7,2001:db8::7", R"(["192.0.2.7", "2001:db8::7"])"}},
    {"names.records", {"true", "true"}},
    {"names.record_ttl", {"5m", R"("5m")"}},
    {"names.rest", {"1d", R"("1d")"}},
    {"names.certificates", {"false", "false"}},
    {"gateway.listen", {"0.0.0.0:80", R"("0.0.0.0:80")"}},
    {"gateway.tls_listen", {"0.0.0.0:443", R"("0.0.0.0:443")"}},
    {"gateway.redirect_to_https", {"false", "false"}},
    {"gateway.hsts", {"30d", R"("30 d")"}},
    {"gateway.kernel_tls", {"true", "true"}},
    {"gateway.domain", {"play.example", R"("play.example")"}},
    {"gateway.address_names", {"eu", R"("eu")"}},
    {"gateway.public_host", {"tcp.example", R"("tcp.example")"}},
    {"gateway.tcp_address", {"127.0.0.3", R"("127.0.0.3")"}},
    {"gateway.ports", {"30000-30099", R"("30000-30099")"}},
    {"gateway.public_port", {"443", "443"}},
    {"gateway.public_scheme", {"https", R"("https")"}},
    {"gateway.idle_timeout", {"10m", R"("10m")"}},
    {"gateway.tcp_idle_timeout", {"10m", R"("10m")"}},
    {"gateway.max_connections", {"500", "500"}},
    {"gateway.max_connections_per_address", {"8", "8"}},
    {"gateway.max_connections_per_owner", {"9", "9"}},
    {"gateway.proxy_protocol_from", {"10.0.0.0/8,::1", R"(["10.0.0.0/8", "::1"])"}},
    {"gateway.max_connections_per_instance", {"7", "7"}},
    {"gateway.max_connections_per_address_and_instance", {"6", "6"}},
    {"gateway.connects_per_instance", {"5", "5"}},
    {"access.log", {"false", "false"}},
    {"access.sample", {"7", "7"}},
    {"access.keep_days", {"14", "14"}},
    {"gateway.endpoint_bandwidth", {"1m", R"("1m")"}},
    {"gateway.endpoint_connections", {"21", "21"}},
    {"gateway.endpoint_openings", {"22", "22"}},
    {"gateway.owner_bandwidth", {"2m", R"("2m")"}},
    {"gateway.owner_openings", {"23", "23"}},
    {"gateway.udp_idle_timeout", {"30s", R"("30s")"}},
    {"gateway.max_udp_flows", {"400", "400"}},
    {"gateway.max_udp_flows_per_address", {"12", "12"}},
    {"gateway.max_udp_flows_per_instance", {"13", "13"}},
    {"acme.directory", {"https://ca.test/dir", R"("https://ca.test/dir")"}},
    {"acme.email", {"ops@ctf.example", R"("ops@ctf.example")"}},
    {"acme.ca_file", {"ca.pem", R"("ca.pem")"}},
    {"acme.names", {"ctf.example,*.ctf.example", R"(["ctf.example", "*.ctf.example"])"}},
    {"acme.challenge", {"tls-alpn-01", R"("tls-alpn-01")"}},
    {"acme.profile", {"shortlived", R"("shortlived")"}},
    {"acme.eab_kid", {"kid-1", R"("kid-1")"}},
    {"acme.eab_key", {"c2VjcmV0LW9mLXRlc3Rz", R"("c2VjcmV0LW9mLXRlc3Rz")"}},
    {"acme.dns", {"rfc2136", R"("rfc2136")"}},
    {"acme.dns_server", {"127.0.0.1:5353", R"("127.0.0.1:5353")"}},
    {"acme.tsig_name", {"key-1", R"("key-1")"}},
    {"acme.tsig_algorithm", {"hmac-sha512", R"("hmac-sha512")"}},
    {"acme.tsig_key", {"c2VjcmV0LW9mLXRlc3Rz", R"("c2VjcmV0LW9mLXRlc3Rz")"}},
    {"acme.dns_hook", {"write-record", R"("write-record")"}},
    {"acme.dns_wait", {"10s", R"("10s")"}},
    {"powerdns.url", {"http://127.0.0.1:8081", R"("http://127.0.0.1:8081")"}},
    {"powerdns.key", {"secret-of-dns", R"("secret-of-dns")"}},
    {"gateway.owner_only", {"true", "true"}},
    {"gateway.owner_address_ttl", {"2h", R"("2h")"}},
    {"store.url", {"sqlite:other.db", R"("sqlite:other.db")"}},
    {"data.path", {"state", R"("state")"}},
    {"templates.path", {"lab", R"("lab")"}},
    {"templates.watch", {"false", "false"}},
    {"templates.builds_at_once", {"2", "2"}},
    {"templates.keep_unneeded_images", {"1h", R"("1h")"}},
    {"templates.allow_pull", {"1", "true"}},
    {"templates.setuid", {"forbid", R"("forbid")"}},
    {"templates.allow",
     {"a=egress,cap:SYS_PTRACE;*=devices", R"({a = ["egress", "cap:SYS_PTRACE"], "*" = ["devices"]})"}},
    {"engine.kind", {"fake", R"("fake")"}},
    {"engine.url", {"tcp://engine:2376", R"("tcp://engine:2376")"}},
    {"engine.namespace", {"night-2", R"("night-2")"}},
    {"engine.tls_ca", {"ca.pem", R"("ca.pem")"}},
    {"engine.tls_certificate", {"c.pem", R"("c.pem")"}},
    {"engine.tls_key", {"d.pem", R"("d.pem")"}},
    {"engine.trust_remote_isolation", {"true", "true"}},
    {"engine.runtime", {"runsc", R"("runsc")"}},
    {"engine.pool", {"10.80.0.0/12", R"("10.80.0.0/12")"}},
    {"placement.engine", {"default", R"("default")"}},
    {"network.pool", {"10.128.0.0/9", R"("10.128.0.0/9")"}},
    {"engine.machine_packets", {"5000", "5000"}},
    {"engine.machine_connections", {"64", "64"}},
    {"engine.machine_openings", {"10", "10"}},
    {"engine.machines_memory", {"8g", "8589934592"}},
    {"network.shared_size", {"500", "500"}},
    {"labs.spawns_at_once", {"64", "64"}},
    {"labs.queue_limit", {"0", "0"}},
    {"labs.instances_per_owner", {"1", "1"}},
    {"labs.instances_total", {"2000", "2000"}},
    {"labs.fills_at_once", {"3", "3"}},
    {"labs.commands_per_user", {"2", "2"}},
    {"labs.shells_per_user", {"3", "3"}},
    {"labs.followed_logs_per_user", {"1", "1"}},
    {"labs.spawn_limit", {"20m", R"("20m")"}},
    {"traefik.url", {"redis://127.0.0.1:6379/2", R"("redis://127.0.0.1:6379/2")"}},
    {"traefik.version", {"2", R"("2")"}},
    {"traefik.root", {"edge/traefik", R"("edge/traefik")"}},
    {"traefik.name", {"hall", R"("hall")"}},
    {"traefik.to", {"machines", R"("machines")"}},
    {"traefik.gateway", {"10.0.0.5:8080", R"("10.0.0.5:8080")"}},
    {"traefik.gateway_tls", {"10.0.0.5:8443", R"("10.0.0.5:8443")"}},
    {"traefik.entry_points", {"web,websecure", R"(["web", "websecure"])"}},
    {"traefik.tls", {"false", "false"}},
    {"traefik.cert_resolver", {"le", R"("le")"}},
    {"traefik.middlewares", {"auth@file", R"(["auth@file"])"}},
    {"traefik.priority", {"50", "50"}},
    {"traefik.catch_all", {"none", R"("none")"}},
    {"traefik.extra", {"/etc/tiltyard/traefik.keys", R"("/etc/tiltyard/traefik.keys")"}},
    {"traefik.look_every", {"5m", R"("5m")"}},
    {"ports.open", {"tcp", R"(["tcp"])"}},
    {"ports.max", {"0", "0"}},
    {"ports.max_per_owner", {"30", "30"}},
    {"files.max_size", {"2g", R"("2G")"}},
    {"files.at_once", {"3", "3"}},
    {"files.rate", {"10m", R"("10M")"}},
    {"desktop.per_user", {"3", "3"}},
    {"snapshots.per_instance", {"5", "5"}},
    {"snapshots.bytes", {"2g", R"("2G")"}},
    {"snapshots.exports_at_once", {"2", "2"}},
    {"flags.prefix", {"CTF", R"("CTF")"}},
    {"farm.config", {"/etc/tiltyard/farm.toml", R"("/etc/tiltyard/farm.toml")"}},
    {"farm.senders_user", {"tiltyard-sender", R"("tiltyard-sender")"}},
    {"farm.grpc_listen", {"127.0.0.1:50051", R"("127.0.0.1:50051")"}},
    {"labs.sweep_interval", {"60", "60"}},
    {"labs.sweep_window", {"0s", R"("0 s")"}},
    {"labs.expiry_interval", {"1h", R"("1h")"}},
    {"labs.stop_grace", {"10 s", R"("10 s")"}},
    {"limits.memory", {"128m", R"("128M")"}},
    {"limits.cpus", {"2", "2"}},
    {"limits.pids", {"64", "64"}},
    {"limits.max_memory", {"8g", "8589934592"}},
    {"limits.max_cpus", {"7.5", "7.5"}},
    {"limits.max_pids", {"1000", "1000"}},
    {"limits.disk", {"1g", R"("1G")"}},
    {"limits.inodes", {"5000", "5000"}},
    {"limits.max_disk", {"64g", R"("64G")"}},
    {"limits.max_inodes", {"500000", "500000"}},
    {"captures.at_once", {"3", "3"}},
    {"captures.buffer", {"4m", R"("4M")"}},
    {"captures.each", {"64m", R"("64M")"}},
    {"captures.total", {"2g", R"("2G")"}},
    {"captures.keep", {"1d", R"("1d")"}},
    {"captures.tell_owner", {"true", "true"}},
    {"recordings.each", {"8m", R"("8M")"}},
    {"recordings.total", {"2g", R"("2G")"}},
    {"recordings.per_owner", {"1g", R"("1G")"}},
    {"recordings.keep", {"1d", R"("1d")"}},
    {"ssh.keys_from", {"https://keys.example/", R"(["https://keys.example/"])"}},
    {"disk.floor", {"1g", R"("1G")"}},
    {"disk.floor_inodes", {"5000", "5000"}},
    {"disk.reserve", {"16m", R"("16M")"}},
    {"admin.token", {"ty_0123456789abcdef", R"("ty_0123456789abcdef")"}},
    {"auth.strategies", {"local,address,ctfd,oidc", R"(["local", "address", "ctfd", "oidc"])"}},
    {"auth.session_days", {"30", "30"}},
    {"auth.proof_for", {"5m", R"("5m")"}},
    {"auth.password_min", {"12", "12"}},
    {"auth.hall", {"192.168.0.0/16", R"(["192.168.0.0/16"])"}},
    {"auth.registration", {"invite", R"("invite")"}},
    {"auth.accounts_per_address", {"7", "7"}},
    {"auth.confirm_mail", {"false", "false"}},
    {"auth.teams", {"off", R"("off")"}},
    {"auth.ctfd_url", {"https://ctf.example/", R"("https://ctf.example")"}},
    {"auth.ctfd_token", {"ctfd_0123456789abcdef", R"("ctfd_0123456789abcdef")"}},
    {"auth.ctfd_admins", {"operator", R"("operator")"}},
    {"auth.oidc",
     {"main.issuer=https://id.example;main.client_id=range;main.role_claim=groups;main.roles=a=admin,b=operator",
      R"({main = {issuer = "https://id.example", client_id = "range", role_claim = "groups", roles = ["a=admin", "b=operator"]}})"}},
    {"rates.factor", {"2.5", "2.5"}},
    {"redis.url", {"redis://:0123456789abcdef@cache:6379/1", R"("redis://:0123456789abcdef@cache:6379/1")"}},
    {"redis.prefix", {"range-2", R"("range-2")"}},
    {"realtime.origins", {"https://scores.example", R"(["https://scores.example"])"}},
    {"realtime.max_connections", {"500", "500"}},
    {"realtime.connections_per_address", {"50", "50"}},
    {"realtime.connections_per_user", {"5", "5"}},
    {"realtime.backlog", {"128k", R"("128K")"}},
    {"realtime.history", {"50", "50"}},
    {"realtime.ping_interval", {"10s", R"("10 s")"}},
    {"realtime.ping_timeout", {"5s", R"("5 s")"}},
    {"events.keep_days", {"30", "30"}},
    {"notices.discord_url",
     {"https://hooks.example/api/webhooks/1/abcdefgh", R"("https://hooks.example/api/webhooks/1/abcdefgh")"}},
    {"notices.discord_kinds", {"login,instance.failed", R"(["login", "instance.failed"])"}},
    {"notices.smtp_url", {"smtps://mail.example:465", R"("smtps://mail.example:465")"}},
    {"notices.smtp_user", {"range", R"("range")"}},
    {"notices.smtp_password", {"correct-horse", R"("correct-horse")"}},
    {"notices.smtp_ca", {"ca.pem", R"("ca.pem")"}},
    {"notices.mail_from", {"range@ctf.example", R"("range@ctf.example")"}},
    {"notices.mail_to", {"staff@ctf.example", R"("staff@ctf.example")"}},
    {"notices.mail_kinds", {"instance.failed", R"(["instance.failed"])"}},
    {"notices.tries", {"3", "3"}},
    {"notices.plain_loopback", {"true", "true"}},
    {"privileged.socket", {"/run/other.sock", R"("/run/other.sock")"}},
    {"labs.trial", {"true", "true"}},
    {"privileged.engine_socket", {"/run/engine.sock", R"("/run/engine.sock")"}},
    {"privileged.files", {"/srv/files", R"("/srv/files")"}},
    {"privileged.user", {"range", R"("range")"}},
    {"log.level", {"debug", R"("debug")"}},
    {"log.format", {"json", R"("json")"}},
    {"log.file", {"server.log", R"("server.log")"}},
    {"metrics.token", {"0123456789abcdef", R"("0123456789abcdef")"}},
};

TEST(R15_1, WithoutFileAndVariablesThereAreDefaults) {
  const TestFolder folder;
  Bound bound;
  const auto read = bound.read(folder.at("missing.toml"));
  ASSERT_TRUE(read) << read.error().message;
  const auto& settings = bound.settings;
  EXPECT_EQ(settings.site.listen, "127.0.0.1:8000");
  EXPECT_EQ(settings.gateway.listen, "127.0.0.1:8080");
  EXPECT_EQ(settings.gateway.first_port, 20000);
  EXPECT_EQ(settings.gateway.last_port, 29999);
  EXPECT_EQ(settings.of<templates::Capability>().options().bounds.defaults.memory, 256 << 20);
  EXPECT_EQ(settings.store.url, "sqlite:" + folder.at("data/tiltyard.db"));
  EXPECT_TRUE(settings.of<identity::Capability>().options().admin_token.empty());
}

TEST(R15_1, EveryKeyIsReadFromTheFileAndFromTheEnvironment) {
  Bound defaults;
  std::map<std::string, std::string> sections;
  Environment environment;
  for (const auto& key : defaults.keys.all()) {
    if (key.name.empty()) continue;  // a section in place of another
    ASSERT_TRUE(kSamples.contains(key.dotted())) << "no sample for " << key.dotted();
    sections[key.section] += key.name + " = " + kSamples.at(key.dotted()).toml + "\n";
    environment[key.variable()] = kSamples.at(key.dotted()).variable;
  }
  std::string toml;
  for (const auto& [section, lines] : sections) toml += "[" + section + "]\n" + lines;
  const TestFolder folder;
  Bound by_file, by_environment;
  const auto from_file = by_file.read(folder.write("tiltyard.toml", toml));
  ASSERT_TRUE(from_file) << from_file.error().message;
  const auto from_environment = by_environment.read(folder.at("missing.toml"), environment);
  ASSERT_TRUE(from_environment) << from_environment.error().message;
  for (std::size_t i = 0; i < defaults.keys.all().size(); ++i) {
    const auto& key = by_file.keys.all()[i];
    if (key.name.empty()) continue;
    EXPECT_NE(key.value.shown(), defaults.keys.all()[i].value.shown()) << key.dotted();
    EXPECT_EQ(key.value.shown(), by_environment.keys.all()[i].value.shown()) << key.dotted();
  }
  EXPECT_EQ(by_file.settings.site.public_url, "https://ctf.example");
  EXPECT_EQ(by_file.settings.of<templates::Capability>().options().allow.at("a").keys,
            (std::vector<std::string>{"egress", "cap:SYS_PTRACE"}));
}

/// One bad value for each form that a part of the server has of its own, refused with the key's name.
TEST(R15_1, ValuesThatDoNotFitTheirPartAreRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"store.url", R"("mysql:x")"},         {"engine.url", R"("/var/run/docker.sock")"},
      {"engine.namespace", R"("Tiltyard")"}, {"engine.namespace", R"("a23456789012345678")"},
      {"engine.kind", R"("podman")"},        {"network.pool", R"("10.64.0.1/12")"},
      {"network.pool", R"("10.64.0.0/20")"}, {"limits.memory", R"("1m")"},
      {"auth.strategies", R"(["ldap"])"},    {"templates.allow", R"({a = ["root"]})"},
      {"flags.prefix", R"("a b")"},          {"log.file", R"("")"},
  };
  for (const auto& [key, value] : bad) {
    const std::size_t dot = key.find('.');
    const std::string error = error_in("[" + key.substr(0, dot) + "]\n" + key.substr(dot + 1) + " = " + value + "\n");
    EXPECT_TRUE(has(error, "tiltyard.toml:2: " + key + " is ")) << key << " = " << value;
  }
}

TEST(R15_1, WhatDoesNotFitTogetherIsRefused) {
  EXPECT_TRUE(
      has(error_in("[server]\ntls_key = \"k.pem\"\n"), "server.tls_certificate and server.tls_key belong together"));
  EXPECT_TRUE(has(error_in("[server]\nlisten = \"127.0.0.1:8080\"\n"), "must not share an origin"));
  EXPECT_TRUE(
      has(error_in("[gateway]\nlisten = \"127.0.0.1:20001\"\n"), "gateway.listen lies inside of gateway.ports"));
  EXPECT_TRUE(has(error_in("[gateway]\ntls_listen = \"127.0.0.1:8080\"\n"), "TLS has a port of its own"));
  EXPECT_TRUE(has(error_in("[gateway]\ntls_listen = \"127.0.0.1:20001\"\n"),
                  "gateway.tls_listen lies inside of gateway.ports"));
  EXPECT_TRUE(has(error_in("[certificates.a]\nchain = \"c.pem\"\n"), "belong together: give both"));
  EXPECT_TRUE(has(error_in("[certificates.a]\nchain = \"c\"\nkey = \"k\"\ndefault = true\n"
                           "[certificates.b]\nchain = \"c\"\nkey = \"k\"\ndefault = true\n"),
                  "choose one"));
  EXPECT_TRUE(has(error_in("[limits]\nmemory = \"8g\"\n"), "limits.memory is above limits.max_memory"));
  EXPECT_TRUE(has(error_in("[auth]\nstrategies = []\n"), "nobody could sign in"));
  EXPECT_TRUE(has(error_in("[auth]\nhall = [\"10.0.0.0/8\"]\n"), "does not have \"address\""));
  EXPECT_TRUE(has(error_in("[gateway]\ntcp_address = \"example.org\"\n"), "gateway.tcp_address"));
  const TestFolder folder;
  EXPECT_TRUE(Bound().read(
      folder.write("zero.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n")));
}

TEST(R7_2, OverPlainHttpNoMachineGetsTheSessionsCookie) {
  const auto error = [](const std::string& page, const std::string& tcp, const std::string& more = "") {
    return error_in("[server]\n" + page + "\n[gateway]\n" + (tcp.empty() ? "" : "tcp_address = \"" + tcp + "\"\n") +
                    more);
  };
  const std::string shared = "whoever follows a link to such a port";
  // As it comes: page on 127.0.0.1, raw TCP on 127.0.0.2.
  EXPECT_EQ(error("", ""), "(no error)");
  EXPECT_TRUE(has(error("", "127.0.0.1"), shared));
  EXPECT_TRUE(has(error("", "0.0.0.0"), shared));
  EXPECT_TRUE(has(error("listen = \"0.0.0.0:8000\"", ""), shared));
  EXPECT_TRUE(has(error("listen = \"10.0.0.5:8000\"", "10.0.0.5"), shared));
  EXPECT_TRUE(has(error("public_url = \"http://10.0.0.5\"", "10.0.0.5"), shared)) << "a proxy without TLS";
  EXPECT_TRUE(has(error("public_url = \"http://range.hall\"", "10.0.0.5"), shared));
  EXPECT_TRUE(has(error("listen = \"10.0.0.5:8000\"", "10.0.0.5"), "gateway.tcp_address another address"))
      << "the mending is said";
  // Another address, TLS, or no raw TCP at all.
  const std::string hall = "public_host = \"10.0.0.6\"\n";
  EXPECT_EQ(error("listen = \"10.0.0.5:8000\"", "10.0.0.6", hall), "(no error)");
  EXPECT_EQ(error("public_url = \"https://range.example\"", "0.0.0.0"), "(no error)");
  EXPECT_EQ(error("listen = \"0.0.0.0:8000\"", "", "tcp_address = \"\"\n"), "(no error)");
  // Names count as addresses do.
  EXPECT_TRUE(has(error("listen = \"10.0.0.5:8000\"\npublic_url = \"http://range.hall:8000\"", "10.0.0.6",
                        "public_host = \"range.hall\"\n"),
                  "announced under the page's own host range.hall"));
  EXPECT_TRUE(has(error("public_url = \"http://page.range.hall\"", "", "domain = \"range.hall\"\n"),
                  "lies below gateway.domain"));
  EXPECT_EQ(error("public_url = \"https://page.range.hall\"", "", "domain = \"range.hall\"\n"), "(no error)");
}

TEST(R14_2, EnginesAreOneSectionOrATableForEach) {
  const std::string two =
      "[engines.near]\n[engines.far]\nurl = \"tcp://far:2376\"\npool = \"10.128.0.0/12\"\nnamespace = \"night\"\n";
  const TestFolder folder;
  Bound alone;
  ASSERT_TRUE(alone.read(folder.write("alone.toml", "[engine]\nurl = \"tcp://only:2376\"\n")));
  ASSERT_EQ(alone.settings.engines.all().size(), 1u);
  EXPECT_EQ(alone.settings.engines.all().at("default").url, "tcp://only:2376");
  EXPECT_EQ(alone.settings.engines.chosen, "default");
  Bound several;
  const auto read = several.read(folder.write("two.toml", two + "[placement]\nengine = \"far\"\n"));
  ASSERT_TRUE(read) << read.error().message;
  const auto all = several.settings.engines.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.at("near").url, "unix:///var/run/docker.sock");
  EXPECT_EQ(all.at("far").terms.name_space, "night");
  EXPECT_EQ(several.settings.engines.chosen, "far");
  Bound by_variable;
  ASSERT_TRUE(by_variable.read(folder.at("missing.toml"), {{"TILTYARD_ENGINES", "one.url=unix:///one.sock"}}));
  EXPECT_EQ(by_variable.settings.engines.all().at("one").url, "unix:///one.sock");
  EXPECT_EQ(by_variable.settings.engines.chosen, "one") << "the only one";

  EXPECT_TRUE(has(error_in(two), "placement.engine must say on which engine new instances are made: far, near"));
  EXPECT_TRUE(has(error_in(two + "[placement]\nengine = \"fra\"\n"), "there is no such engine. There are: far, near"));
  for (const auto* given : {"[engine]\nurl = \"unix:///var/run/docker.sock\"\n", "[engine]\nkind = \"fake\"\n"})
    EXPECT_TRUE(has(error_in(given + two), "move the keys of [engine] to [engines.default]")) << given;
  EXPECT_TRUE(has(error_in("[engines.default]\n[engines.b]\npool = \"10.128.0.0/12\"\n"),
                  "engines.b and engines.default are one engine under one namespace"));
  EXPECT_TRUE(has(error_in("[engines.default]\n[engines.b]\nnamespace = \"b\"\n"), "set engines.default.pool"));
  EXPECT_TRUE(has(error_in("[engines.default]\n[engines.b]\nnamespace = \"b\"\npool = \"10.0.0.0/8\"\n"),
                  "would have the same addresses"));
  EXPECT_TRUE(has(error_in("[engines.b]\nurll = \"x\"\n"), "There is no key engines.b.urll. Did you mean url?"));
  EXPECT_TRUE(has(error_in("[engines.b]\ntls_key = \"x\"\n"), "engines.b.tls_certificate and engines.b.tls_key"));
}

TEST(R7_1, ProvidersAreCheckedKeyByKey) {
  const auto error = [](const std::string& keys) {
    return error_in(
        "[auth]\nstrategies = [\"oidc\"]\n[auth.oidc.main]\nissuer = \"https://id.example\"\nclient_id = \"range\"\n" +
        keys);
  };
  EXPECT_EQ(error("client_secret = \"s3cret\"\n"), "(no error)");
  EXPECT_TRUE(has(error("isuer = \"x\"\n"), "There is no key auth.oidc.main.isuer. Did you mean issuer?"));
  EXPECT_TRUE(has(error("role_claim = \"groups\"\nroles = [\"a=king\"]\n"),
                  "auth.oidc.main.roles is [\"a=king\"]; it takes a list of \"VALUE=ROLE\""));
  EXPECT_TRUE(has(error("roles = [\"a=admin\"]\n"), "auth.oidc.main.roles needs a role_claim."));
  EXPECT_TRUE(has(error("scopes = [\"profile\"]\n"), "must have \"openid\""));
  EXPECT_TRUE(has(error("client_secret_file = \"missing\"\n"), "cannot be read"));
  EXPECT_TRUE(
      has(error_in(
              "[auth]\nstrategies = [\"oidc\"]\n[auth.oidc.main]\nissuer = \"http://id.example\"\nclient_id = \"a\"\n"),
          "https://"))
      << "no plain text to another machine";
  EXPECT_TRUE(has(error_in("[auth]\nstrategies = [\"local\", \"oidc\"]\n"), "belong together"));
}

TEST(R15_1, RelativePathsStartFromTheFilesFolder) {
  const TestFolder folder;
  Bound bound;
  const auto read =
      bound.read(folder.write("tiltyard.toml", "[templates]\npath = \"a/../lab\"\n[log]\nfile = \"/var/log/t.log\"\n"),
                 {{"TILTYARD_DATA_PATH", "state"}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(bound.settings.of<templates::Capability>().options().path, folder.at("lab"));
  EXPECT_EQ(bound.settings.site.data, folder.at("state"));
  EXPECT_EQ(bound.settings.log.file, "/var/log/t.log");
  EXPECT_EQ(bound.settings.site.tls_key, "");
}

TEST(R14_1, TheDatabaseMayBePostgresAndItsPasswordIsNeverShown) {
  const TestFolder folder;
  const std::string url = "postgresql://range:s3cret@db.example:5432/range?sslmode=verify-full";
  Bound bound;
  const auto read = bound.read(folder.write("tiltyard.toml", "[store]\nurl = \"" + url + "\"\n"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(bound.settings.store.url, url) << "it is no path";
  for (const auto& key : bound.keys.all()) EXPECT_FALSE(key.value.shown().contains("s3cret")) << key.dotted();
  EXPECT_FALSE(error_in("[store]\nurl = \"postgre://a:s3cret@db/range\"\n").contains("s3cret"));
}

/// With every default uncommented the example still says what the defaults are.
TEST(R15_1, TheExampleFileSaysTheDefaults) {
  Bound plain;
  const TestFolder folder;
  ASSERT_TRUE(plain.read(folder.at("missing.toml")));
  const auto text = Bound().keys.example_toml();
  std::istringstream example(text);
  std::string uncommented;
  for (std::string line; std::getline(example, line);) {
    uncommented += line.starts_with('#') && !line.starts_with("# ") ? line.substr(1) : line;
    uncommented += '\n';
  }
  for (const std::string& each : {text, uncommented}) {
    Bound loaded;
    const auto read = loaded.read(folder.write("example.toml", each));
    ASSERT_TRUE(read) << read.error().message;
    for (std::size_t i = 0; i < loaded.keys.all().size(); ++i)
      EXPECT_EQ(loaded.keys.all()[i].value.shown(), plain.keys.all()[i].value.shown());
  }
  for (const auto& key : plain.keys.all()) {
    if (!key.name.empty()) EXPECT_TRUE(has(uncommented, "\n" + key.name + " = "));
  }
}

/// After a change of a key: UPDATE_DOCS=1 app_test --gtest_filter='*DocumentationIsTrue'
TEST(R15_1, TheDocumentationIsTrue) {
  const std::string path = std::string(TILTYARD_SOURCE_DIR) + "/docs/configuration.md";
  const auto made = Bound().keys.markdown();
  if (std::getenv("UPDATE_DOCS") != nullptr) std::ofstream(path) << made;
  std::ostringstream page;
  page << std::ifstream(path).rdbuf();
  EXPECT_EQ(page.str(), made);
}

TEST(R15_2, SecretsOfThePartsComeFromFilesAsWell) {
  const TestFolder folder;
  folder.write("token", "0123456789abcdef\n");
  Bound by_key;
  const auto read = by_key.read(folder.write("a.toml", "[admin]\ntoken_file = \"token\"\n"),
                                {{"TILTYARD_METRICS_TOKEN_FILE", folder.at("token")}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(by_key.settings.of<identity::Capability>().options().admin_token.reveal(), "0123456789abcdef");
  EXPECT_EQ(by_key.settings.site.metrics_token.reveal(), "0123456789abcdef");
}

}  // namespace
}  // namespace tiltyard::app
