#include "app/settings.h"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>

#include "labs/capability.h"
#include "notices/capability.h"

namespace tiltyard::app {
namespace {

constexpr config::Form kLogFile{
    .takes = "\"stderr\" or a path",
    .fits = [](std::string_view text) { return !text.empty(); },
    .resolve = [](const std::filesystem::path& folder,
                  const std::string& text) { return text == "stderr" ? text : config::resolve_path(folder, text); }};

void declare_log(config::Keys& keys, LogOptions& options) {
  using enum log::Level;
  keys.section("log", "What the server writes down.")
      .choice("level", options.level,
              {{"trace", kTrace},
               {"debug", kDebug},
               {"info", kInfo},
               {"warn", kWarn},
               {"error", kError},
               {"fatal", kFatal}},
              "The least important level that is written.")
      .choice("format", options.format, {{"text", log::Format::kText}, {"json", log::Format::kJson}},
              "Lines for people, or one JSON object a line for programs.")
      .text("file", options.file, kLogFile, "\"stderr\", or a file that is appended to.");
}

/// The page and players' machines must not share an origin, nor the gateway's ports an address.
void listeners_apart(const Settings& settings, config::Problems& problems) {
  const auto page = config::parse_address(settings.site.listen);
  const auto gateway = config::parse_address(settings.gateway.listen);
  problems.expect(!gateway || gateway->second == 0 || page != gateway,
                  "server.listen and gateway.listen are the same: the page and players' machines must not share an "
                  "origin.");
  const auto secure = config::parse_address(settings.gateway.tls_listen);
  problems.expect(!secure || secure->second == 0 || (secure != page && secure != gateway),
                  "gateway.tls_listen is the same as server.listen or gateway.listen: TLS has a port of its own.");
  for (const auto& [key, address] : {std::pair{"server.listen", page}, std::pair{"gateway.listen", gateway},
                                     std::pair{"gateway.tls_listen", secure}}) {
    const bool inside =
        address && address->second >= settings.gateway.first_port && address->second <= settings.gateway.last_port;
    problems.expect(!inside, fmt::format("{} lies inside of gateway.ports.", key));
  }
}

/// The host of a web URL, without brackets and port.
std::string host_of(std::string_view url) {
  auto rest = url.substr(url.find("://") + 3);
  rest = rest.substr(0, rest.find('/'));
  if (rest.starts_with('[')) return std::string(rest.substr(1, rest.find(']') - 1));
  return std::string(rest.substr(0, rest.rfind(':')));
}

bool is_everywhere(std::string_view address) { return address == "0.0.0.0" || address == "::"; }
bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

/// Whether one address may lead to the page and to raw TCP ports. A page whose name is not an address is where it
/// listens; if that is the loopback, a proxy of this host brings people in, on any of its addresses.
bool share_an_address(std::string_view page_host, std::string_view page_listens, std::string_view tcp) {
  const auto page = config::is_ip(page_host) ? page_host : page_listens;
  if (is_everywhere(page) || is_everywhere(tcp) || page == tcp) return true;
  return !page_host.empty() && !config::is_ip(page_host) && is_loopback(page) && !is_loopback(tcp);
}

/// Over plain HTTP a browser sends the page's cookie to every port of its host, and takes cookies for the page from
/// hosts below a common name. Cookies of TLS (`Secure`, `__Host-`) do neither.
void cookies_apart(const Settings& settings, config::Problems& problems) {
  const auto& site = settings.site;
  const auto& gateway = settings.gateway;
  if (!site.tls_certificate.empty() || site.public_url.starts_with("https://")) return;
  const auto listens = config::parse_address(site.listen);
  const std::string page_listens = listens ? listens->first : std::string();
  const std::string page_host = site.public_url.empty() ? std::string() : host_of(site.public_url);
  const bool raw_tcp = !gateway.tcp_address.empty();
  problems.expect(
      !raw_tcp || !share_an_address(page_host, page_listens, gateway.tcp_address),
      fmt::format(
          "The page and players' raw TCP ports may share an address (gateway.tcp_address is {}), and the page has "
          "no TLS: whoever follows a link to such a port hands the player's machine the session. Give the page "
          "TLS (gateway.tls_listen or a proxy, with https:// in server.public_url), or gateway.tcp_address "
          "another address of this host than the page's, or leave it empty where no template has raw TCP "
          "endpoints.",
          gateway.tcp_address));
  const std::string tcp_name = gateway::tcp_host(gateway);
  problems.expect(!raw_tcp || tcp_name != (page_host.empty() ? page_listens : page_host),
                  fmt::format("Raw TCP endpoints are announced under the page's own host {}, and the page has no TLS: "
                              "browsers would send its cookie there. Set gateway.public_host to another name, or give "
                              "the page TLS.",
                              tcp_name));
  const bool below = page_host == gateway.domain || page_host.ends_with("." + gateway.domain);
  problems.expect(page_host.empty() || !below || page_host == "localhost",
                  fmt::format("server.public_url lies below gateway.domain ({}), and the page has no TLS: players' "
                              "machines could set its cookies. Give one of them another domain, or the page TLS.",
                              gateway.domain));
}

/// Links in letters are made of a name that the operator has written down, not of one that a request brings along.
void letters_have_links(const Settings& settings, config::Problems& problems) {
  for (const auto& one : settings.capabilities) {
    const auto* notices = dynamic_cast<const notices::Capability*>(one.get());
    problems.expect(
        notices == nullptr || notices->options().smtp_url.empty() || !settings.site.public_url.empty(),
        "notices.smtp_url needs server.public_url: letters have links in them, and whoever asks for one would "
        "choose where they lead. Set server.public_url to the address that people use.");
  }
}

/// A machine's address says on which engine it is: our host has one route for each.
void pools_apart(const Settings& settings, config::Problems& problems) {
  std::string network;
  for (const auto& one : settings.capabilities) {
    if (const auto* labs = dynamic_cast<const labs::Capability*>(one.get())) network = labs->options().network_pool;
  }
  const auto engines = settings.engines.all();
  for (auto one = engines.begin(); one != engines.end(); ++one) {
    for (auto other = std::next(one); other != engines.end(); ++other) {
      const auto &a = one->second.terms.pool, &b = other->second.terms.pool;
      problems.expect(!config::pools_meet(a.empty() ? network : a, b.empty() ? network : b),
                      fmt::format("Machines on the engines {0} and {1} would have the same addresses: set "
                                  "engines.{1}.pool to a range of its own.",
                                  one->first, other->first));
    }
  }
}

}  // namespace

void declare_keys(config::Keys& keys, Settings& settings) {
  keys.begin("server");
  house::declare_keys(keys, settings.site);
  declare_log(keys, settings.log);
  keys.begin("store");
  store::declare_keys(keys, settings.store);
  keys.begin("bus");
  bus::declare_keys(keys, settings.redis);
  keys.begin("engine");
  engine::declare_keys(keys, settings.engines);
  keys.begin("gateway");
  gateway::declare_keys(keys, settings.gateway);
  keys.begin("tls");
  tls::declare_keys(keys, settings.certificates);
  keys.begin("limits");
  limits::declare_keys(keys, settings.limits);
  for (const auto& one : settings.capabilities) {
    keys.begin(one->name());
    one->keys(keys);
  }
  keys.afterwards([&settings](config::Problems& problems) {
    listeners_apart(settings, problems);
    cookies_apart(settings, problems);
    letters_have_links(settings, problems);
    pools_apart(settings, problems);
  });
}

Result<> read(Settings& settings, const std::string& path, const config::Environment& environment) {
  config::Keys keys;
  declare_keys(keys, settings);
  return keys.read(path, environment);
}

Result<> read_named(Settings& settings, const std::string& path, const config::Environment& environment) {
  std::error_code failure;
  if (!path.empty() && !std::filesystem::exists(path, failure))
    return fail(Code::kInvalid, "config-unreadable",
                fmt::format("There is no configuration {0}. Begin one: tiltyard config example >{0}", path));
  return read(settings, path, environment);
}

}  // namespace tiltyard::app
