// doctor: looks at everything that the server needs, and says what to do about what is missing.
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <CLI/App.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "app/host.h"
#include "app/secure.h"
#include "app/settings.h"
#include "app/words.h"
#include "cli/words.h"
#include "disk/capability.h"
#include "disk/space.h"
#include "engine/docker/ages.h"
#include "engine/docker/facts.h"
#include "engine/isolation/nft.h"
#include "net/client.h"
#include "net/networks.h"
#include "templates/capability.h"
#include "traefik/capability.h"
#include "traefik/look.h"

namespace tiltyard::app {
namespace {

using namespace cli;
namespace fs = std::filesystem;
namespace json = boost::json;

using Verdict = Check::Verdict;

constexpr std::chrono::seconds kPatience{3};

/// GET on the engine.
Result<http::Response> ask_engine(const engine::Options& engine, const std::string& path) {
  auto target = http::Target::parse(engine.url);
  if (!target) return fail(std::move(target.error()));
  target->ca_file = engine.tls_ca;
  target->certificate_file = engine.tls_certificate;
  target->key_file = engine.tls_key;
  http::Client client(std::move(*target));
  http::Request request;
  request.target = path;
  request.headers.set("Host", "docker");
  asio::io_context loop{1};
  Result<http::Response> out = fail(Code::kTimeout, "timeout", "The engine did not answer.");
  auto done = [&](const std::exception_ptr& failure, Result<http::Response> answer) {
    if (!failure) out = std::move(answer);
  };
  asio::co_spawn(loop, client.send(std::move(request), kPatience), done);
  loop.run();
  return out;
}

std::string why(const Error& error) { return error.cause.empty() ? error.reason : error.cause; }

/// Which way machines' limits of disk hold. The mounts are this host's: of an engine elsewhere only its storage is
/// known.
Check check_disk_limits(const engine::Options& engine) {
  const auto answer = ask_engine(engine, "/info");
  boost::system::error_code error;
  const auto info = answer ? json::parse(answer->body, error) : json::value();
  const bool here = engine.url.starts_with("unix:");
  std::ifstream mounts(here ? "/proc/self/mounts" : "/dev/null");
  if (engine::docker::limits_disk(info, mounts))
    return {Verdict::kOk,
            "disk use",
            "the engine keeps machines' layers in their limits; volumes and binds are watched",
            {}};
  const std::string better =
      "For a limit that cannot be passed, even for a second: Docker's folder on xfs, mounted with pquota.";
  const auto layers = text_of(info, "DockerRootDir") + "/" + text_of(info, "Driver");
  if (here && ::access(layers.c_str(), R_OK | X_OK) == 0)
    return {Verdict::kWarn, "disk use", "machines are watched: who writes too much is stopped, about a second later",
            better};
  return {Verdict::kWarn, "disk use",
          layers +
              " is not to be seen from here: the engine counts what machines' layers hold, each once a minute; their "
              "volumes and inodes are not counted",
          "Run the server beside the engine, with the right to read its folder. " + better};
}

/// How one of the engines is called here, and where its keys stand.
struct Named {
  std::string check, keys;
};

Named named(const engine::Configured& engines, const std::string& name) {
  if (engines.tables.empty()) return {"engine", "engine"};
  return {"engine " + name, "engines." + name};
}

Check check_engine(const Named& named, const engine::Options& engine) {
  if (engine.kind == engine::Kind::kFake)
    return {Verdict::kWarn, named.check, "the fake one",
            fmt::format("It starts no machines. Set {}.kind = \"docker\".", named.keys)};
  const auto answer = ask_engine(engine, "/version");
  if (!answer) {
    const bool denied = why(answer.error()).find("ermission denied") != std::string::npos;
    return {Verdict::kFail, named.check, fmt::format("{} does not answer: {}", engine.url, why(answer.error())),
            denied ? "Run as root, or as a member of the group docker."
                   : fmt::format("Start Docker (systemctl start docker), or set {}.url.", named.keys)};
  }
  boost::system::error_code error;
  const auto version = json::parse(answer->body, error);
  const auto api = error ? std::string() : text_of(version, "ApiVersion");
  if (answer->status != 200 || api.empty()) {
    return {Verdict::kFail, named.check, fmt::format("{} answers with status {}", engine.url, answer->status),
            fmt::format("Is this the Docker Engine? Set {}.url.", named.keys)};
  }
  const int minor = api.starts_with("1.") ? std::atoi(api.c_str() + 2) : 999;
  if (minor < 41)
    return {Verdict::kFail, named.check, fmt::format("its API is {}; 1.41 is needed", api),
            "Update Docker to 20.10 or later."};
  return {Verdict::kOk, named.check, fmt::format("Docker {}, API {}", text_of(version, "Version"), api), {}};
}

/// A machine's owner is root in it and patient: a known way out of it is one that will be tried.
void check_age(const engine::Options& engine, std::vector<Check>& checks) {
  const auto answer = ask_engine(engine, "/version");
  boost::system::error_code error;
  const auto old =
      answer ? engine::docker::old_parts(json::parse(answer->body, error)) : std::vector<engine::docker::OldPart>();
  for (const auto& part : old) {
    checks.push_back({Verdict::kWarn, "age",
                      fmt::format("{} {} has {}: {}", part.name, part.version, part.known_as, part.harm),
                      fmt::format("Update {} to {} or later, or run machines of strangers in gVisor (engine.runtime).",
                                  part.name, part.fixed_in)});
  }
  if (old.empty()) checks.push_back({Verdict::kOk, "age", "engine and runc have no known way out", {}});
}

/// The engine's own answer as JSON; null where there is none.
json::value told(const engine::Options& engine, const std::string& path) {
  const auto answer = ask_engine(engine, path);
  boost::system::error_code error;
  return answer ? json::parse(answer->body, error) : json::value();
}

Check check_firewall() {
  const auto tables = engine::isolation::run_nft("nft", "list tables", "");
  if (tables) return {Verdict::kOk, "firewall", "nft works", {}};
  return {Verdict::kFail, "firewall", why(tables.error()),
          "Install nftables (apt install nftables) and run the server as root or with CAP_NET_ADMIN."};
}

/// Whether we could listen there. Without SO_REUSEPORT, so that a running server shows.
Check check_port(const std::string& name, const std::string& listen, bool server_answers) {
  const auto colon = listen.rfind(':');
  auto host = listen.substr(0, colon);
  const auto port = std::atoi(listen.c_str() + colon + 1);
  if (port == 0) return {Verdict::kOk, name, listen + " takes a free port", {}};
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error)
    return {Verdict::kFail, name, listen + " is no address",
            fmt::format("Set {}.listen to an address like 127.0.0.1:8000.", name)};
  asio::io_context loop;
  asio::ip::tcp::acceptor acceptor(loop);
  const asio::ip::tcp::endpoint endpoint(address, static_cast<unsigned short>(port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1, error);
  if (!error) return {Verdict::kOk, name, listen + " is free", {}};
  if (error == boost::asio::error::address_in_use && server_answers)
    return {Verdict::kOk, name, listen + " is served", {}};
  return {Verdict::kFail, name, fmt::format("{}: {}", listen, error.message()),
          fmt::format("End what uses it (ss -ltnp), or set {}.listen.", name)};
}

/// The folder itself, or the first one above it that is there.
fs::path existing(fs::path path) {
  std::error_code ignored;
  while (!path.empty() && !fs::exists(path, ignored) && path != path.parent_path()) path = path.parent_path();
  return path.empty() ? fs::path(".") : path;
}

Check check_store(const Settings& settings) {
  constexpr std::string_view kScheme = "sqlite:";
  if (!settings.store.url.starts_with(kScheme))
    return {Verdict::kWarn, "store", config::without_password(settings.store.url) + " was not looked at", {}};
  const fs::path file(settings.store.url.substr(kScheme.size()));
  std::error_code ignored;
  const auto place = fs::exists(file, ignored) ? file : existing(file.parent_path());
  if (::access(place.c_str(), W_OK) != 0) {
    return {Verdict::kFail, "store", place.string() + " cannot be written",
            "Give it to the server's user (chown), or set store.url."};
  }
  return {Verdict::kOk, "store", file.string() + (fs::exists(file, ignored) ? " can be written" : " will be made"), {}};
}

Check check_disk(const Settings& settings) {
  const auto& options = settings.of<disk::Capability>().options();
  const auto place = existing(settings.site.data);
  const auto space = disk::space_at(place.string());
  if (!space) return {Verdict::kWarn, "disk", place.string() + " could not be looked at", {}};
  const auto detail = fmt::format("{} free at {}", disk::words_of(*space, options), place.string());
  if (space->below(options))
    return {Verdict::kFail, "disk", detail,
            "Make room, or set disk.floor and disk.floor_inodes: nothing new starts below."};
  return {Verdict::kOk, "disk", detail, {}};
}

Check check_traefik(const traefik::Options& options) {
  auto seen = traefik::look(options);
  if (seen) return {Verdict::kOk, "traefik", std::move(*seen), {}};
  return {Verdict::kWarn, "traefik", seen.error().message, "Look at [traefik] in the configuration (docs/traefik.md)."};
}

Check check_templates(const Settings& settings) {
  const auto& path = settings.of<templates::Capability>().options().path;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return {Verdict::kOk, "templates", path, {}};
  return {Verdict::kFail, "templates", path + " is no folder", "Make it, or set templates.path."};
}

Check check_image(const engine::Options& engine, const std::string& image, const std::string& make) {
  const auto answer = ask_engine(engine, "/images/" + image + "/json");
  if (answer && answer->status == 200) return {Verdict::kOk, "image", image, {}};
  return {Verdict::kWarn, "image", image + " is not there; templates that need it wait",
          "Make it: images/make " + make};
}

Check check_server(Context& context) {
  const auto answer = context.api().get("/me");
  const auto& where = context.api().where();
  if (answer)
    return {Verdict::kOk, "server", fmt::format("{} answers, as {}", where.url, text_of(*answer, "name")), {}};
  if (answer.error().reason == reason::kServerAway)
    return {Verdict::kWarn, "server", "none answers at " + where.url,
            "Start it: tiltyard serve --config tiltyard.toml"};
  return {Verdict::kWarn, "server", fmt::format("{} answers: {}", where.url, answer.error().message),
          advice(context, answer.error())};
}

/// Whether what stands between people and the page tells who asks, and keeps it secret.
Check check_front(const Settings& settings) {
  const auto& site = settings.site;
  const bool tls = !site.tls_certificate.empty() || !page_hosts(settings).empty(),
             secure = site.public_url.starts_with("https://");
  const auto trusted = net::Networks::parse(site.trusted_proxies);
  // Addresses of documentation (RFC 5737): nobody's proxy is there.
  if (trusted && trusted->contains(*net::parse_address("192.0.2.1")) &&
      trusted->contains(*net::parse_address("203.0.113.1")))
    return {Verdict::kFail, "proxy", "server.trusted_proxies is everybody, who may then be whoever they say",
            "Name the addresses of the proxy alone."};
  if (secure && !tls && site.trusted_proxies.empty())
    return {Verdict::kWarn, "proxy",
            "people come by https and no proxy is trusted: cookies lack Secure, and all share one address's limits",
            "Name the proxy's addresses in server.trusted_proxies (deploy/nginx.conf, deploy/Caddyfile)."};
  const auto at = config::parse_address(site.listen);
  if (!tls && !secure && at && !net::parse_address(at->first)->is_loopback())
    return {Verdict::kWarn, "proxy", "passwords and cookies cross the network unencrypted",
            "Set gateway.tls_listen and server.public_url with certificates, or put a TLS proxy in front."};
  const bool figures = !site.metrics_token.empty() || (site.public_url.empty() && site.trusted_proxies.empty());
  return {Verdict::kOk,
          "proxy",
          fmt::format("{}{}",
                      tls                            ? "TLS of our own"
                      : site.trusted_proxies.empty() ? "none, for this machine alone"
                                                     : "trusted",
                      figures ? "" : "; without metrics.token nobody gets /metrics"),
          {}};
}

/// What is in the files of certificates, and whether the names that people use are among theirs.
Check check_certificates(const Settings& settings) {
  const auto files = certificate_files(settings);
  const SystemClock clock;
  tls::Certificates shelf(clock);
  tls::Files(shelf, files).look();
  for (const auto& each : shelf.list()) {
    if (!each.problem.empty())
      return {Verdict::kWarn, "certificates", fmt::format("{}: {}", each.source, each.problem), "Replace its files."};
  }
  if (const auto missing = names_without(settings, shelf); !missing.empty()) {
    return {Verdict::kWarn, "certificates", fmt::format("none in files is for {}", fmt::join(missing, ", ")),
            "Give one in [certificates.NAME], or let [acme] fetch it."};
  }
  return {Verdict::kOk,
          "certificates",
          files.empty() ? "none in files" : fmt::format("{} in files, all in order", files.size()),
          {}};
}

std::vector<Check> look(Context& context, const Settings& settings) {
  const auto path = config_path(context);
  if (const auto good = context.configure(); !good)
    return {{Verdict::kFail, "config", good.error().message, "Correct it; tiltyard config example shows every key."}};
  std::vector<Check> checks;
  checks.push_back({Verdict::kOk, "config", path.empty() ? "no file, defaults" : path, {}});
  const auto server = check_server(context);
  const bool answers =
      server.detail.find(" answers") != std::string::npos && server.detail.find("none") == std::string::npos;
  const auto engines = settings.engines.all();
  std::vector<std::string> docker;  // that answer
  for (const auto& [name, options] : engines) {
    checks.push_back(check_engine(named(settings.engines, name), options));
    if (checks.back().verdict != Verdict::kOk) continue;
    docker.push_back(name);
    check_age(options, checks);
  }
  checks.push_back(check_firewall());
  // Of this host, whose engine is on a socket here.
  for (const auto& name : docker) {
    const auto& engine = engines.at(name);
    if (engine.kind != engine::Kind::kDocker || !engine.url.starts_with("unix:")) continue;
    for (auto& check : host_checks("/", told(engine, "/info"), told(engine, "/version")))
      checks.push_back(std::move(check));
    break;
  }
  checks.push_back(check_port("server", settings.site.listen, answers));
  checks.push_back(check_port("gateway", settings.gateway.listen, answers));
  checks.push_back(check_front(settings));
  checks.push_back(check_certificates(settings));
  checks.push_back(check_store(settings));
  checks.push_back(check_disk(settings));
  checks.push_back(check_templates(settings));
  if (const auto& options = settings.of<traefik::Capability>().options(); !options.url.empty())
    checks.push_back(check_traefik(options));
  for (const auto& name : docker) {
    const auto before = checks.size();
    checks.push_back(check_disk_limits(engines.at(name)));
    checks.push_back(check_image(engines.at(name), "tiltyard/busybox:1", "busybox"));
    checks.push_back(check_image(engines.at(name), "tiltyard/debian:12", "debian"));
    for (auto at = before; at < checks.size() && engines.size() > 1; ++at)
      checks[at].detail = name + ": " + checks[at].detail;
  }
  checks.push_back(server);
  return checks;
}

const char* word_of(Verdict verdict) {
  return verdict == Verdict::kOk ? "ok" : verdict == Verdict::kWarn ? "warn" : "fail";
}

Colour colour_of(Verdict verdict) {
  return verdict == Verdict::kOk ? Colour::kGreen : verdict == Verdict::kWarn ? Colour::kYellow : Colour::kRed;
}

/// Sets what of the kernel's numbers is too small, when whoever asked says yes.
int fix(bool sure) {
  const auto small = small_sysctls("/");
  if (small.empty()) {
    print("Nothing to set: what the kernel has once for all is large enough.\n");
    return kOk;
  }
  for (const auto& [wanted, now] : small)
    print(fmt::format("{}: {} -> {} ({})\n", wanted->name, now, wanted->least, wanted->lost));
  if (!sure) {
    print("Set them now, and at each boot (/etc/sysctl.d/60-tiltyard.conf)? [y/N] ");
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "yes") return kFailed;
  }
  const auto wrong = mend_sysctls("/", small);
  for (const auto& each : wrong) print(each + "\n");
  return wrong.empty() ? kOk : kFailed;
}

int doctor(Context& context, const Settings& settings) {
  const auto checks = look(context, settings);
  bool failed = false;
  json::array items;
  std::size_t widest = 10;
  for (const auto& check : checks) widest = std::max(widest, check.name.size());
  for (const auto& check : checks) {
    failed |= check.verdict == Verdict::kFail;
    items.push_back(json::object{
        {"name", check.name}, {"status", word_of(check.verdict)}, {"detail", check.detail}, {"todo", check.todo}});
    if (context.json) continue;
    const auto word = fmt::format("{:<5}", word_of(check.verdict));
    print(fmt::format("{}{:<{}} {}\n", painted(word, colour_of(check.verdict), context.colours), check.name, widest,
                      check.detail));
    if (check.verdict != Verdict::kOk && !check.todo.empty())
      print(fmt::format("{:<{}}{}\n", "", widest + 6, check.todo));
  }
  if (context.json) print_json(json::object{{"items", std::move(items)}, {"next", nullptr}});
  return failed ? kFailed : kOk;
}

}  // namespace

void add_doctor(Words& words, const Settings& settings) {
  struct Asked {
    bool fix = false, yes = false;
  };
  auto asked = std::make_shared<Asked>();
  auto* word = words.add("doctor", "Check what the server needs");
  auto* mend = word->add_flag("--fix", asked->fix, "Raise what is too small of the kernel's numbers, after a question");
  word->add_flag("--yes", asked->yes, "Do not ask")->needs(mend);
  words.does(word,
             [asked, c = &words.context, &settings] { return asked->fix ? fix(asked->yes) : doctor(*c, settings); });
  for (const auto* reason : {"engine-unavailable", "isolation-unavailable"})
    words.advise(reason, "See what is wrong on the server: tiltyard doctor");
}

}  // namespace tiltyard::app
