// firewall: the table that keeps machines apart, without a server: at boot, before the engine. privileged: the process
// that keeps it, and more, for a server without rights.
#include <CLI/App.hpp>

#include "app/app.h"
#include "app/settings.h"
#include "app/words.h"
#include "cli/words.h"
#include "engine/isolation/firewall.h"

namespace tiltyard::app {
namespace {

int load(cli::Context& context, const Settings& settings) {
  if (const auto good = context.configure(); !good) return cli::complain(context, good.error());
  engine::isolation::FirewallOptions options;
  // The table is this host's, whose engine is on a socket here.
  for (const auto& [name, engine] : settings.engines.all()) {
    if (engine.url.starts_with("unix:")) options.limits = engine.machines;
  }
  const auto loaded = engine::isolation::load_firewall(options);
  return loaded ? static_cast<int>(cli::kOk) : cli::complain(context, loaded.error());
}

}  // namespace

void add_privileged(cli::Words& words) {
  words.does(words.add("privileged", "Run the small process that does what takes root, for a server without rights"),
             [c = &words.context] { return serve_privileged(cli::config_path(*c)); });
}

void add_firewall(cli::Words& words, const Settings& settings) {
  words.does(words.add("firewall", "Load the table that keeps machines apart, once (for boot)"),
             [c = &words.context, &settings] { return load(*c, settings); });
}

}  // namespace tiltyard::app
