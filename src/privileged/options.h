#pragma once

#include <string>

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::privileged {

/// Where the server's privileged half is, if it has one. Both halves read the same.
struct Options {
  std::string socket;  ///< where it is called; empty: there is none, and the server does all itself
  std::string engine_socket = "/run/tiltyard/engine.sock";  ///< where the engine answers to what it lets pass
  std::string files = "/var/lib/tiltyard-files";            ///< the instances' own files
  std::string user = "tiltyard";                            ///< who may call

  bool apart() const { return !socket.empty(); }
};

void declare_keys(config::Keys& keys, Options& options);

}  // namespace tiltyard::privileged
