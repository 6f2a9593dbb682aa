#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/secret.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::traefik {

/// The major version of Traefik that reads: rules are written in its words.
enum class Version { kTwo = 2, kThree = 3 };
/// Where Traefik sends what it gets: to our gateway, or past it to the machines.
enum class To { kGateway, kMachines };
/// What goes to the gateway though no instance has its name.
enum class CatchAll { kDomain, kEverything, kNone };

struct Options {
  Secret url;  ///< of the Redis; empty: nothing is exported
  Version version = Version::kThree;
  std::string root = "traefik";
  std::string name = "tiltyard";
  To to = To::kGateway;
  std::string gateway;      ///< host:port of our gateway as Traefik reaches it; empty: as it listens
  std::string gateway_tls;  ///< the same of its TLS port
  std::vector<std::string> entry_points{"websecure"};
  bool tls = true;
  std::string cert_resolver;
  std::vector<std::string> middlewares;
  int priority = 100;
  CatchAll catch_all = CatchAll::kDomain;
  std::string extra;  ///< a file with keys of the operator's own
  std::chrono::seconds look_every{60};
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

}  // namespace tiltyard::traefik
