#include "app/settings.h"

#include <fmt/format.h>

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
  for (const auto& [key, address] : {std::pair{"server.listen", page}, std::pair{"gateway.listen", gateway}}) {
    const bool inside =
        address && address->second >= settings.gateway.first_port && address->second <= settings.gateway.last_port;
    problems.expect(!inside, fmt::format("{} lies inside of gateway.ports.", key));
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
  engine::declare_keys(keys, settings.engine);
  keys.begin("gateway");
  gateway::declare_keys(keys, settings.gateway);
  keys.begin("limits");
  limits::declare_keys(keys, settings.limits);
  for (const auto& one : settings.capabilities) {
    keys.begin(one->name());
    one->keys(keys);
  }
  keys.afterwards([&settings](config::Problems& problems) { listeners_apart(settings, problems); });
}

Result<> read(Settings& settings, const std::string& path, const config::Environment& environment) {
  config::Keys keys;
  declare_keys(keys, settings);
  return keys.read(path, environment);
}

}  // namespace tiltyard::app
