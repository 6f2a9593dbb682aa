// What the configuration says of engines.
#include "engine/options.h"

#include <fmt/format.h>

#include <iterator>

#include "config/keys.h"
#include "engine/docker/docker_engine.h"
#include "engine/fake/fake_engine.h"

namespace tiltyard::engine {
namespace {

namespace form = config::form;

bool is_engine_url(std::string_view text) {
  if (text.starts_with("unix:///")) return text.size() > 8;
  return text.starts_with("tcp://") && config::is_web_url("http://" + std::string(text.substr(6)));
}

/// As a table of the configuration may be called.
constexpr config::Form kEngineName{.takes = "the name of an engine, or nothing",
                                   .fits = [](std::string_view text) { return text.size() <= 32; }};

constexpr config::Form kUrl{.takes = "unix:///PATH or tcp://HOST:PORT", .fits = is_engine_url};

constexpr char kAlone[] = "engine", kTables[] = "engines";

void declare_one(config::Section& keys, Options& options) {
  keys.choice("kind", options.kind, {{"docker", Kind::kDocker}, {"fake", Kind::kFake}},
              "What runs the machines. \"fake\" runs none and is for trying the server out.")
      .text("url", options.url, kUrl,
            "Where the engine answers: unix:///PATH, or tcp://HOST:PORT with the TLS files below.")
      .text("namespace", options.terms.name_space, form::kName,
            "Marks what belongs to this server in the engine. A second server under the same name does not start.")
      .text("tls_ca", options.tls_ca, form::kPath,
            "PEM file with the authority that the engine's certificate must come from.")
      .text("tls_certificate", options.tls_certificate, form::kPath,
            "PEM file with the certificate that we show to the engine.")
      .text("tls_key", options.tls_key, form::kPath, "PEM file with that certificate's private key.")
      .flag("trust_remote_isolation", options.trust_remote_isolation,
            "Start machines on an engine of another host, where our firewall table is not: that host's own rules must "
            "keep its machines from each other, from it, and from the internet.")
      .text("runtime", options.terms.runtime, form::kAny,
            "The OCI runtime for machines, such as \"runsc\"; empty: the engine's default.")
      .number("machine_packets", options.machines.packets, 1'000, 10'000'000,
              "Packets that one machine may send in a second; what is more is dropped. Of several servers on one host, "
              "the numbers of the one that was started last hold.")
      .number(
          "machine_connections", options.machines.connections, 16, 1'000'000,
          "Connections of one machine that the host keeps track of at once: the gateway's to it, and its own to the "
          "internet. What stays inside a stack is not tracked.")
      .number("machine_openings", options.machines.openings, 1, 1'000'000,
              "Connections to the internet that one machine may begin in a second.")
      .bytes("machines_memory", options.machines.memory, 0, 1LL << 50,
             "Memory of all machines together; 0: the host's less an eighth (512 MiB to 4 GiB), which stays for the "
             "server "
             "and the engine.")
      .text("pool", options.terms.pool, form::kPoolOrNone,
            "The private range that networks on this engine are cut from; empty: network.pool. No two engines have "
            "addresses in common: the gateway must know the way to each machine.");
}

void check_one(const std::string& name, const Options& options, config::Problems& problems) {
  problems.expect(options.tls_certificate.empty() == options.tls_key.empty(),
                  fmt::format("{0}.tls_certificate and {0}.tls_key belong together: give both or neither.", name));
}

std::string names_of(const std::map<std::string, Options>& engines) {
  std::string out;
  for (const auto& [name, options] : engines) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// The same daemon may serve as two engines, each under a namespace of its own.
void check_apart(const std::map<std::string, Options>& engines, config::Problems& problems) {
  for (auto one = engines.begin(); one != engines.end(); ++one) {
    for (auto other = std::next(one); other != engines.end(); ++other) {
      const auto& [a, b] = std::pair(one->second, other->second);
      problems.expect(a.kind == Kind::kFake || a.url != b.url || a.terms.name_space != b.terms.name_space,
                      fmt::format("engines.{0} and engines.{1} are one engine under one namespace: give engines.{1} a "
                                  "url or a namespace of its own.",
                                  one->first, other->first));
    }
  }
}

/// Where new instances are made.
void choose(Configured& engines, config::Problems& problems) {
  const auto all = engines.all();
  if (!engines.chosen.empty()) {
    problems.expect(all.contains(engines.chosen),
                    fmt::format("placement.engine is \"{}\", and there is no such engine. There are: {}.",
                                engines.chosen, names_of(all)));
  } else if (all.contains(kDefaultEngine) || all.size() == 1) {
    engines.chosen = all.contains(kDefaultEngine) ? kDefaultEngine : all.begin()->first;
  } else {
    problems.add(fmt::format("placement.engine must say on which engine new instances are made: {}.", names_of(all)));
  }
}

}  // namespace

void declare_keys(config::Keys& keys, Configured& engines) {
  const auto alone_given = std::make_shared<bool>(false);
  auto alone = keys.section(kAlone, "What runs the machines, where it is one.");
  declare_one(alone, engines.alone);
  alone.note_given(alone_given);
  keys.section(kTables, "What runs the machines, where there are several.")
      .tables<Options>(
          "", engines.tables, declare_one,
          [](const std::string& name, Options& one, config::Problems& problems) {
            check_one(fmt::format("{}.{}", kTables, name), one, problems);
          },
          "The keys of [engine] for each engine, in place of that section. What was made with [engine] is on the "
          "engine "
          "called default.");
  keys.section("placement", "On which engine instances are made.")
      .text(
          "engine", engines.chosen, kEngineName,
          "Where new instances are made whose template names no engine; empty: on the one called default, or the only "
          "one.");
  keys.afterwards([&engines, alone_given](config::Problems& problems) {
    check_one(kAlone, engines.alone, problems);
    problems.expect(engines.tables.empty() || !*alone_given,
                    "[engine] and [engines.NAME] are both given. With several engines each is a table of its own: move "
                    "the keys of [engine] to [engines.default], where its instances are looked for.");
    check_apart(engines.tables, problems);
    choose(engines, problems);
  });
}

Result<std::unique_ptr<Engine>> make(boost::asio::any_io_executor executor, std::string name, const Options& options,
                                     std::string server, std::string files_folder) {
  if (options.kind == Kind::kFake) {
    FakeOptions fake;
    fake.name = std::move(name);
    fake.name_space = options.terms.name_space;
    fake.server = std::move(server);
    return std::make_unique<FakeEngine>(std::move(executor), std::move(fake));
  }
  DockerOptions docker;
  docker.name = std::move(name);
  docker.endpoint = options.url;
  docker.ca_file = options.tls_ca;
  docker.certificate_file = options.tls_certificate;
  docker.key_file = options.tls_key;
  docker.name_space = options.terms.name_space;
  docker.server = std::move(server);
  docker.trust_remote_isolation = options.trust_remote_isolation;
  docker.machines = options.machines;
  docker.files_folder = std::move(files_folder);
  return DockerEngine::make(std::move(executor), std::move(docker));
}

}  // namespace tiltyard::engine
