#pragma once

#include <cstdlib>
#include <string>
#include <utility>

#include "app/capabilities.h"
#include "bus/redis.h"
#include "config/keys.h"
#include "engine/options.h"
#include "gateway/gateway.h"
#include "house/site.h"
#include "limits/limits.h"
#include "observe/log.h"
#include "store/store.h"
#include "tls/files.h"

namespace tiltyard::app {

/// Where the server's own words go.
struct LogOptions {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kText;
  std::string file = "stderr";
};

/// All that the configuration fills in: the options of the floors, and the capabilities, each of which keeps its own.
/// Not moved: the keys are bound to its fields.
struct Settings {
  explicit Settings(Capabilities all = app::capabilities()) : capabilities(std::move(all)) {}
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  house::Site site;
  LogOptions log;
  store::Options store;
  bus::RedisSite redis;
  engine::Configured engines;
  gateway::Options gateway;
  std::map<std::string, tls::FilePair> certificates;
  limits::Options limits;
  Capabilities capabilities;

  /// One of the capabilities.
  template <class One>
  const One& of() const {
    for (const auto& each : capabilities) {
      if (const auto* found = dynamic_cast<const One*>(each.get())) return *found;
    }
    std::abort();  // not in the list of capabilities
  }
};

/// Every key there is, bound to the settings.
void declare_keys(config::Keys& keys, Settings& settings);

/// Reads the file and the environment into the settings; errors are those of config::Keys::read.
Result<> read(Settings& settings, const std::string& path, const config::Environment& environment);
/// The same for what somebody has named: a file that is not there is a slip, and no wish for the defaults.
Result<> read_named(Settings& settings, const std::string& path, const config::Environment& environment);

}  // namespace tiltyard::app
