// What the configuration says of open connections.
#include "config/keys.h"
#include "realtime/realtime.h"

namespace tiltyard::realtime {

namespace form = config::form;
using namespace std::chrono_literals;

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("realtime", "Open connections of pages and programs.")
      .texts("origins", options.origins, form::kWords,
             "Pages of other origins that may connect to /socket.io/, with a token: \"https://scores.example\". \"*\": "
             "any. Our own pages always may.")
      .number("max_connections", options.max_connections, 1, 1'000'000, "Connections that may be open at a time.")
      .number("connections_per_address", options.connections_per_address, 1, 1'000'000,
              "Connections that one client address may have open, an IPv6 /64 counting as one. Of these a quarter may "
              "be open before they have shown who they are.")
      .number("connections_per_user", options.connections_per_user, 1, 1'000'000,
              "Connections that one user may have open.")
      .bytes("backlog", options.backlog, 16 * 1024, 1ULL << 30,
             "What may wait for a client that does not read; then it is disconnected.")
      .number("history", options.history, 1, 100'000, "Messages that are kept of a chat room.")
      .time("ping_interval", options.ping_interval, 1s, 1h,
            "How often a connection is asked whether it is still there.")
      .time("ping_timeout", options.ping_timeout, 1s, 1h, "How long its answer may take.");
}

}  // namespace tiltyard::realtime
