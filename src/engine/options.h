#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <string>

#include "engine/engines.h"
#include "engine/isolation/limits.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::engine {

enum class Kind { kDocker, kFake };

/// One engine, as the configuration has it.
struct Options {
  Kind kind = Kind::kDocker;
  std::string url = "unix:///var/run/docker.sock";
  std::string tls_ca, tls_certificate, tls_key;
  bool trust_remote_isolation = false;
  isolation::MachineLimits machines;
  Terms terms;
};

/// The engines of the configuration: `[engine]` alone, which is called kDefaultEngine, or a table [engines.NAME] for
/// each.
struct Configured {
  Options alone;
  std::map<std::string, Options> tables;
  std::string chosen;  ///< where new instances are made; one of them once the configuration has been read

  std::map<std::string, Options> all() const {
    return tables.empty() ? std::map<std::string, Options>{{kDefaultEngine, alone}} : tables;
  }
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Configured& engines);

/// `name`: how operators and errors call it; `server`: which one we are, as the store has it; `files_folder`: absolute,
/// where our own files are, which machines may get.
Result<std::unique_ptr<Engine>> make(boost::asio::any_io_executor executor, std::string name, const Options& options,
                                     std::string server, std::string files_folder);

}  // namespace tiltyard::engine
