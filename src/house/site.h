#pragma once

#include <string>
#include <vector>

#include "base/secret.h"
#include "net/budget.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::house {

/// What is said of the server as a whole, and used by several of its parts. Paths are absolute, or relative to the
/// working directory, once read.
struct Site {
  std::string listen = "127.0.0.1:8000";  ///< of the page and the API
  std::string public_url;                 ///< the URL that people use; empty: what `listen` has
  int threads = 0;                        ///< loops for connections; 0: one per core
  // What connections to the page and the API may take, in all and for each client.
  std::size_t max_connections = 10'000, connections_per_address = 1'250;
  net::BudgetOptions buffers;
  std::vector<std::string> hosts;  ///< what people call the server, beside public_url and listen
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> allow_targets;  ///< what may be called although net::Reach refuses it
  std::string tls_certificate, tls_key;
  std::string data = "data";  ///< the folder of what the server makes itself
  Secret metrics_token;       ///< empty: see its key
};

/// Declares the keys of the configuration that fill it in.
void declare_keys(config::Keys& keys, Site& site);

}  // namespace tiltyard::house
