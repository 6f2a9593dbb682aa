#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/isolation/limits.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::engine {

enum class Kind { kDocker, kFake };

/// Which engine there is, and where.
struct Options {
  Kind kind = Kind::kDocker;
  std::string url = "unix:///var/run/docker.sock";
  std::string name_space = "tiltyard";  ///< marks what is ours; the key is `namespace`
  std::string tls_ca, tls_certificate, tls_key;
  bool trust_remote_isolation = false;
  std::string runtime;  ///< of machines; empty: the engine's own choice
  isolation::MachineLimits machines;
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// `server`: which one we are, as the store has it; `files_folder`: absolute, where our own files are, which machines
/// may get.
Result<std::unique_ptr<Engine>> make(boost::asio::any_io_executor executor, const Options& options, std::string server,
                                     std::string files_folder);

}  // namespace tiltyard::engine
