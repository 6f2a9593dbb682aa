// What the configuration says of the engine.
#include "engine/options.h"

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

constexpr config::Form kUrl{.takes = "unix:///PATH or tcp://HOST:PORT", .fits = is_engine_url};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("engine", "What runs the machines.")
      .choice("kind", options.kind, {{"docker", Kind::kDocker}, {"fake", Kind::kFake}},
              "What runs the machines. \"fake\" runs none and is for trying the server out.")
      .text("url", options.url, kUrl,
            "Where the engine answers: unix:///PATH, or tcp://HOST:PORT with the TLS files below.")
      .text("namespace", options.name_space, form::kName,
            "Marks what belongs to this server in the engine. A second server under the same name does not start.")
      .text("tls_ca", options.tls_ca, form::kPath,
            "PEM file with the authority that the engine's certificate must come from.")
      .text("tls_certificate", options.tls_certificate, form::kPath,
            "PEM file with the certificate that we show to the engine.")
      .text("tls_key", options.tls_key, form::kPath, "PEM file with that certificate's private key.")
      .flag("trust_remote_isolation", options.trust_remote_isolation,
            "Start machines on an engine of another host, where our firewall table is not: that host's own rules must "
            "keep its machines from each other, from it, and from the internet.")
      .text("runtime", options.runtime, form::kAny,
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
             "and the engine.");
  keys.afterwards([&options](config::Problems& problems) {
    problems.expect(options.tls_certificate.empty() == options.tls_key.empty(),
                    "engine.tls_certificate and engine.tls_key belong together: give both or neither.");
  });
}

Result<std::unique_ptr<Engine>> make(boost::asio::any_io_executor executor, const Options& options, std::string server,
                                     std::string files_folder) {
  if (options.kind == Kind::kFake) {
    FakeOptions fake;
    fake.name_space = options.name_space;
    fake.server = std::move(server);
    return std::make_unique<FakeEngine>(std::move(executor), std::move(fake));
  }
  DockerOptions docker;
  docker.endpoint = options.url;
  docker.ca_file = options.tls_ca;
  docker.certificate_file = options.tls_certificate;
  docker.key_file = options.tls_key;
  docker.name_space = options.name_space;
  docker.server = std::move(server);
  docker.trust_remote_isolation = options.trust_remote_isolation;
  docker.machines = options.machines;
  docker.files_folder = std::move(files_folder);
  return DockerEngine::make(std::move(executor), std::move(docker));
}

}  // namespace tiltyard::engine
