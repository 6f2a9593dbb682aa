#include "config/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/keys.h"

namespace tiltyard::config {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for a test's files.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("tiltyard-config-" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string error_of(const Result<Settings>& loaded) {
  if (loaded) return "(no error)";
  EXPECT_EQ(loaded.error().reason, "config-invalid");
  EXPECT_EQ(loaded.error().code, Code::kInvalid);
  return loaded.error().message;
}

std::string error_in(const std::string& toml, const Environment& environment = {}) {
  const Folder folder;
  return error_of(load(folder.write("tiltyard.toml", toml), environment));
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
    {"server.trusted_proxies", {"10.0.0.0/8,::1", R"(["10.0.0.0/8", "::1"])"}},
    {"server.tls_certificate", {"a.pem", R"("a.pem")"}},
    {"server.tls_key", {"b.pem", R"("b.pem")"}},
    {"gateway.listen", {"0.0.0.0:80", R"("0.0.0.0:80")"}},
    {"gateway.domain", {"play.example", R"("play.example")"}},
    {"gateway.public_host", {"tcp.example", R"("tcp.example")"}},
    {"gateway.tcp_address", {"0.0.0.0", R"("0.0.0.0")"}},
    {"gateway.ports", {"30000-30099", R"("30000-30099")"}},
    {"gateway.public_port", {"443", "443"}},
    {"gateway.public_scheme", {"https", R"("https")"}},
    {"gateway.idle_timeout", {"10m", R"("10m")"}},
    {"gateway.max_connections_per_instance", {"7", "7"}},
    {"store.url", {"sqlite:other.db", R"("sqlite:other.db")"}},
    {"data.path", {"state", R"("state")"}},
    {"templates.path", {"lab", R"("lab")"}},
    {"templates.watch", {"false", "false"}},
    {"templates.builds_at_once", {"2", "2"}},
    {"templates.allow_pull", {"1", "true"}},
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
    {"network.pool", {"10.128.0.0/9", R"("10.128.0.0/9")"}},
    {"network.shared_size", {"500", "500"}},
    {"labs.spawns_at_once", {"64", "64"}},
    {"labs.queue_limit", {"0", "0"}},
    {"labs.instances_per_owner", {"1", "1"}},
    {"labs.instances_total", {"2000", "2000"}},
    {"labs.fills_at_once", {"3", "3"}},
    {"flags.prefix", {"CTF", R"("CTF")"}},
    {"farm.config", {"/etc/tiltyard/farm.toml", R"("/etc/tiltyard/farm.toml")"}},
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
    {"admin.token", {"ty_0123456789abcdef", R"("ty_0123456789abcdef")"}},
    {"auth.strategies", {"local,address,ctfd,oidc", R"(["local", "address", "ctfd", "oidc"])"}},
    {"auth.session_days", {"30", "30"}},
    {"auth.proof_for", {"5m", R"("5m")"}},
    {"auth.password_min", {"12", "12"}},
    {"auth.hall", {"192.168.0.0/16", R"(["192.168.0.0/16"])"}},
    {"auth.registration", {"invite", R"("invite")"}},
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
    {"log.level", {"debug", R"("debug")"}},
    {"log.format", {"json", R"("json")"}},
    {"log.file", {"server.log", R"("server.log")"}},
    {"metrics.token", {"0123456789abcdef", R"("0123456789abcdef")"}},
};

TEST(R15_1, WithoutFileAndVariablesThereAreDefaults) {
  const Folder folder;
  const auto settings = load(folder.file("missing.toml"), {});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->server.listen, "127.0.0.1:8000");
  EXPECT_EQ(settings->gateway.listen, "127.0.0.1:8080");
  EXPECT_EQ(settings->gateway.ports, (PortRange{20000, 29999}));
  EXPECT_EQ(settings->limits.memory, 256ULL << 20);
  EXPECT_EQ(settings->labs.sweep_interval, std::chrono::minutes(10));
  EXPECT_EQ(settings->store.url, "sqlite:" + folder.file("data/tiltyard.db"));
  EXPECT_TRUE(settings->admin.token.empty());
}

TEST(R15_1, EveryKeyIsReadFromTheFileAndFromTheEnvironment) {
  Settings defaults;
  std::string toml;
  Environment environment;
  std::string section;
  for (const Key& key : keys_of(defaults)) {
    ASSERT_TRUE(kSamples.contains(key.dotted())) << "no sample for " << key.dotted();
    if (key.section != section) toml += "[" + (section = key.section) + "]\n";
    toml += std::string(key.name) + " = " + kSamples.at(key.dotted()).toml + "\n";
    environment[key.variable()] = kSamples.at(key.dotted()).variable;
  }
  const Folder folder;
  auto from_file = load(folder.write("tiltyard.toml", toml), {});
  ASSERT_TRUE(from_file) << from_file.error().message;
  auto from_environment = load(folder.file("missing.toml"), environment);
  ASSERT_TRUE(from_environment) << from_environment.error().message;
  EXPECT_EQ(changes(defaults, *from_file).size(), keys_of(defaults).size());
  for (const Change& change : changes(*from_file, *from_environment)) ADD_FAILURE() << change.key << " differs";
  EXPECT_EQ(from_file->server.public_url, "https://ctf.example");
  EXPECT_EQ(from_file->templates.allow.at("a"), (std::vector<std::string>{"egress", "cap:SYS_PTRACE"}));
}

TEST(R15_1, AVariableOverridesTheFile) {
  const Folder folder;
  const auto settings =
      load(folder.write("tiltyard.toml", "[labs]\nqueue_limit = 5\nspawns_at_once = 6\n"),
           {{"TILTYARD_LABS_QUEUE_LIMIT", "7"}, {"TILTYARD_URL", "http://x"}, {"TILTYARD_TOKEN", "y"}});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->labs.queue_limit, 7);
  EXPECT_EQ(settings->labs.spawns_at_once, 6);
}

TEST(R15_1, AnUnknownKeyIsAnErrorWithFileLineAndSuggestion) {
  EXPECT_TRUE(has(error_in("[labs]\n\nqueue_limt = 5\n"),
                  "tiltyard.toml:3: There is no key labs.queue_limt. Did you mean labs.queue_limit?"));
  EXPECT_TRUE(has(error_in("[server]\ndomain = \"x\"\n"), "Did you mean gateway.domain?"));
  EXPECT_TRUE(has(error_in("[gatway]\nlisten = \"x\"\n"),
                  "tiltyard.toml:1: There is no section \"gatway\". Did you mean [gateway]?"));
  EXPECT_TRUE(has(error_in("listen = \"x\"\n"), "outside of any section. Did you mean server.listen?"));
  EXPECT_TRUE(has(error_in("[labs]\nzzzzzzzz = 5\n"), "There is no key labs.zzzzzzzz.\n") ||
              error_in("[labs]\nzzzzzzzz = 5\n").ends_with("There is no key labs.zzzzzzzz."));
  EXPECT_TRUE(has(error_in("", {{"TILTYARD_LABS_QUEUE_LIMITS", "5"}}),
                  "TILTYARD_LABS_QUEUE_LIMITS: There is no such setting. Did you mean TILTYARD_LABS_QUEUE_LIMIT?"));
}

TEST(R15_1, AWrongTypeOrValueNamesKeyValueAndRange) {
  EXPECT_TRUE(has(error_in("[labs]\nspawns_at_once = 0\n"),
                  "tiltyard.toml:2: labs.spawns_at_once is 0; it takes a whole number from 1 to 64."));
  EXPECT_TRUE(
      has(error_in("[labs]\nspawns_at_once = \"5\"\n"), "labs.spawns_at_once is \"5\"; it takes a whole number"));
  EXPECT_TRUE(
      has(error_in("[engine]\nkind = \"podman\"\n"), "engine.kind is \"podman\"; it takes \"docker\" or \"fake\"."));
  EXPECT_TRUE(has(error_in("[server]\nlisten = \"8000\"\n"), "it takes ADDRESS:PORT"));
  EXPECT_TRUE(has(error_in("[templates]\nallow = {a = [\"root\"]}\n"), "templates.allow is a table"));
  EXPECT_TRUE(has(error_in("", {{"TILTYARD_LOG_LEVEL", "loud"}}), "TILTYARD_LOG_LEVEL: log.level is \"loud\""));
  EXPECT_TRUE(has(error_in("server = 3\n"), "server is a section"));
}

/// One bad value for each form, refused with the key's name.
TEST(R15_1, ValuesThatDoNotFitAreRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"server.listen", R"("127.0.0.1:70000")"},
      {"server.listen", R"("localhost:8000")"},
      {"server.listen", R"("::1:8000")"},
      {"server.public_url", R"("ctf.example")"},
      {"server.threads", "65"},
      {"server.threads", "1.5"},
      {"server.trusted_proxies", R"(["10.0.0.0/33"])"},
      {"server.trusted_proxies", R"("10.0.0.0/8")"},
      {"gateway.domain", R"("a b")"},
      {"gateway.ports", R"("30000-20000")"},
      {"gateway.ports", R"("80-90")"},
      {"gateway.idle_timeout", "0"},
      {"gateway.idle_timeout", R"("5 weeks")"},
      {"store.url", R"("mysql:x")"},
      {"templates.watch", R"("yes")"},
      {"engine.url", R"("/var/run/docker.sock")"},
      {"engine.namespace", R"("Tiltyard")"},
      {"engine.namespace", R"("a23456789012345678")"},
      {"network.pool", R"("10.64.0.1/12")"},
      {"network.pool", R"("10.64.0.0/20")"},
      {"limits.memory", R"("1m")"},
      {"limits.memory", R"("99999999999999999999m")"},
      {"limits.memory", "-1"},
      {"limits.cpus", "nan"},
      {"limits.cpus", "0"},
      {"auth.strategies", R"(["ldap"])"},
      {"auth.session_days", "1979-05-27"},
      {"auth.hall", "[1, 2]"},
  };
  for (const auto& [key, value] : bad) {
    const std::size_t dot = key.find('.');
    const std::string error = error_in("[" + key.substr(0, dot) + "]\n" + key.substr(dot + 1) + " = " + value + "\n");
    EXPECT_TRUE(has(error, "tiltyard.toml:2: " + key + " is ")) << key << " = " << value;
  }
}

TEST(R15_1, AllProblemsAreToldAtOnce) {
  const std::string error =
      error_in("[labs]\nspawns_at_once = 0\nqueue_limt = 5\n", {{"TILTYARD_SERVER_THREADS", "x"}});
  EXPECT_EQ(std::ranges::count(error, '\n'), 2) << error;
}

TEST(R15_1, BrokenTomlIsAnErrorWithItsLine) {
  EXPECT_TRUE(has(error_in("[labs]\nqueue_limit = = 5\n"), "tiltyard.toml:2: "));
  EXPECT_TRUE(has(error_in("[labs]\nqueue_limit = 1\nqueue_limit = 2\n"), "tiltyard.toml:3: "));
  EXPECT_TRUE(has(error_in("a = \"\xff\"\n"), "tiltyard.toml:1: "));
}

TEST(R15_1, AFolderOrAnEmptyFile) {
  const Folder folder;
  const auto of_folder = load(folder.file("."), {});
  ASSERT_FALSE(of_folder);
  EXPECT_EQ(of_folder.error().reason, "config-unreadable");
  EXPECT_TRUE(load(folder.write("empty.toml", ""), {}));
}

TEST(R15_1, WhatDoesNotFitTogetherIsRefused) {
  EXPECT_TRUE(
      has(error_in("[server]\ntls_key = \"k.pem\"\n"), "server.tls_certificate and server.tls_key belong together"));
  EXPECT_TRUE(has(error_in("[server]\nlisten = \"127.0.0.1:8080\"\n"), "must not share an origin"));
  EXPECT_TRUE(
      has(error_in("[gateway]\nlisten = \"127.0.0.1:20001\"\n"), "gateway.listen lies inside of gateway.ports"));
  EXPECT_TRUE(has(error_in("[limits]\nmemory = \"8g\"\n"), "limits.memory is above limits.max_memory"));
  EXPECT_TRUE(has(error_in("[auth]\nstrategies = []\n"), "nobody could sign in"));
  EXPECT_TRUE(has(error_in("[auth]\nhall = [\"10.0.0.0/8\"]\n"), "does not have \"address\""));
  EXPECT_TRUE(has(error_in("[gateway]\ntcp_address = \"example.org\"\n"), "gateway.tcp_address"));
  const Folder folder;
  EXPECT_TRUE(
      load(folder.write("zero.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[gateway]\nlisten = \"127.0.0.1:0\"\n"), {}));
}

TEST(R7_1, ProvidersAreCheckedKeyByKey) {
  const auto error = [](const std::string& keys) {
    return error_in(
        "[auth]\nstrategies = [\"oidc\"]\n[auth.oidc.main]\nissuer = \"https://id.example\"\nclient_id = \"range\"\n" +
        keys);
  };
  EXPECT_EQ(error("client_secret = \"s3cret\"\n"), "(no error)");
  EXPECT_TRUE(has(error("isuer = \"x\"\n"), "There is no key auth.oidc.main.isuer. Did you mean issuer?"));
  EXPECT_TRUE(has(error("role_claim = \"groups\"\nroles = [\"a=king\"]\n"), "auth.oidc.main.roles is a list of"));
  EXPECT_TRUE(has(error("scopes = [\"profile\"]\n"), "must have \"openid\""));
  EXPECT_TRUE(has(error("client_secret_file = \"missing\"\n"), "cannot be read"));
  EXPECT_TRUE(
      has(error_in(
              "[auth]\nstrategies = [\"oidc\"]\n[auth.oidc.main]\nissuer = \"http://id.example\"\nclient_id = \"a\"\n"),
          "https://"))
      << "no plain text to another machine";
  EXPECT_TRUE(has(error_in("[auth]\nstrategies = [\"local\", \"oidc\"]\n"), "belong together"));
  Settings settings;
  settings.auth.oidc["main"].client_secret = Secret("s3cret");
  for (const Key& key : keys_of(settings)) EXPECT_FALSE(value_text(key).contains("s3cret"));
}

TEST(R15_1, RelativePathsStartFromTheFilesFolder) {
  const Folder folder;
  const auto settings =
      load(folder.write("tiltyard.toml", "[templates]\npath = \"a/../lab\"\n[log]\nfile = \"/var/log/t.log\"\n"),
           {{"TILTYARD_DATA_PATH", "state"}});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->templates.path, folder.file("lab"));
  EXPECT_EQ(settings->data.path, folder.file("state"));
  EXPECT_EQ(settings->log.file, "/var/log/t.log");
  EXPECT_EQ(settings->server.tls_key, "");
}

TEST(R14_1, TheDatabaseMayBePostgresAndItsPasswordIsNeverShown) {
  const Folder folder;
  const std::string url = "postgresql://range:s3cret@db.example:5432/range?sslmode=verify-full";
  const auto settings = load(folder.write("tiltyard.toml", "[store]\nurl = \"" + url + "\"\n"), {});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->store.url, url) << "it is no path";
  EXPECT_EQ(without_password(url), "postgresql://range:***@db.example:5432/range?sslmode=verify-full");
  EXPECT_EQ(without_password("postgresql://db/range?user=a&password=s3cret&port=1"),
            "postgresql://db/range?user=a&password=***&port=1");
  EXPECT_EQ(without_password("postgresql://a:s3/c@ret@db/range"), "postgresql://a:***@db/range");
  for (const char* plain : {"sqlite:data/a@b.db", "postgresql://db/range", "postgresql://a@db:5432/range"})
    EXPECT_EQ(without_password(plain), plain);
  Settings shown = *settings;
  for (const Key& key : keys_of(shown)) EXPECT_FALSE(value_text(key).contains("s3cret")) << key.dotted();
  EXPECT_FALSE(error_in("[store]\nurl = \"postgre://a:s3cret@db/range\"\n").contains("s3cret"));
}

/// With every default uncommented the example still says what the defaults are.
TEST(R15_1, TheExampleFileSaysTheDefaults) {
  std::istringstream example(example_toml());
  std::string uncommented;
  for (std::string line; std::getline(example, line);) {
    uncommented += line.starts_with('#') && !line.starts_with("# ") ? line.substr(1) : line;
    uncommented += '\n';
  }
  const Folder folder;
  const auto defaults = load(folder.file("missing.toml"), {});
  for (const std::string& text : {example_toml(), uncommented}) {
    const auto loaded = load(folder.write("example.toml", text), {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (const Change& change : changes(*defaults, *loaded)) ADD_FAILURE() << change.key;
  }
  Settings any;
  for (const Key& key : keys_of(any)) EXPECT_TRUE(has(uncommented, "\n" + std::string(key.name) + " = "));
}

/// After a change of a key: UPDATE_DOCS=1 config_test --gtest_filter='*DocumentationIsTrue'
TEST(R15_1, TheDocumentationIsTrue) {
  const std::string path = std::string(TILTYARD_SOURCE_DIR) + "/docs/configuration.md";
  if (std::getenv("UPDATE_DOCS") != nullptr) std::ofstream(path) << markdown();
  std::ostringstream page;
  page << std::ifstream(path).rdbuf();
  EXPECT_EQ(page.str(), markdown());
}

TEST(R15_1, ChangesNameTheKeysAndWhatARunningServerCanTakeUp) {
  Settings before, after;
  after.log.level = log::Level::kDebug;
  after.server.threads = 2;
  after.admin.token = Secret("0123456789abcdefX");
  const auto changed = changes(before, after);
  ASSERT_EQ(changed.size(), 3U);
  EXPECT_EQ(changed[0].key, "server.threads");
  EXPECT_EQ(changed[1].key, "admin.token");
  EXPECT_EQ(changed[2].key, "log.level");
  const std::vector<Key> keys = keys_of(before);
  for (const Change& change : changed) {
    const auto key = std::ranges::find(keys, change.key, &Key::dotted);
    EXPECT_EQ(change.live, key->apply == Apply::kLive) << change.key;
  }
}

TEST(R15_2, SecretsComeFromFilesAndFromTheEnvironment) {
  const Folder folder;
  folder.write("token", "0123456789abcdef\n");
  const auto by_key = load(folder.write("a.toml", "[admin]\ntoken_file = \"token\"\n"), {});
  ASSERT_TRUE(by_key) << by_key.error().message;
  EXPECT_EQ(by_key->admin.token.reveal(), "0123456789abcdef");
  const auto by_variable = load("", {{"TILTYARD_METRICS_TOKEN_FILE", folder.file("token")}});
  ASSERT_TRUE(by_variable) << by_variable.error().message;
  EXPECT_EQ(by_variable->metrics.token.reveal(), "0123456789abcdef");
  const auto overridden = load(folder.file("a.toml"), {{"TILTYARD_ADMIN_TOKEN", "fedcba9876543210"}});
  ASSERT_TRUE(overridden);
  EXPECT_EQ(overridden->admin.token.reveal(), "fedcba9876543210");
}

TEST(R15_2, ASecretGivenTwiceOrUnreadableIsAnError) {
  EXPECT_TRUE(has(error_in("[admin]\ntoken = \"0123456789abcdef\"\ntoken_file = \"t\"\n"), "are both given"));
  EXPECT_TRUE(has(error_in("", {{"TILTYARD_ADMIN_TOKEN", "0123456789abcdef"}, {"TILTYARD_ADMIN_TOKEN_FILE", "t"}}),
                  "are both set"));
  EXPECT_TRUE(has(error_in("[admin]\n\ntoken_file = \"missing\"\n"),
                  "tiltyard.toml:3: The file of admin.token cannot be read"));
  EXPECT_TRUE(has(error_in("[labs]\nqueue_limit_file = \"x\"\n"), "There is no key labs.queue_limit_file"));
}

TEST(R15_2, NoErrorAndNoDocumentHoldsASecret) {
  const std::string secret = "hunter2 with blanks in it";
  for (const std::string& error :
       {error_in("[admin]\ntoken = \"" + secret + "\"\n"), error_in("", {{"TILTYARD_ADMIN_TOKEN", secret}}),
        error_in("[admin]\ntoken = \"hunter2\"\n")}) {
    EXPECT_TRUE(has(error, "admin.token is not usable"));
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
  }
  Settings settings;
  settings.admin.token = Secret("hunter2hunter2hunter2");
  for (const Key& key : keys_of(settings)) EXPECT_EQ(value_text(key).find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace tiltyard::config
