// What the server's configuration says of the farm; the game is in the farm's own file.
#include "config/keys.h"
#include "farm/farm.h"

namespace tiltyard::farm {

namespace form = config::form;

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("farm", "Attack/defence: stolen flags on their way to the jury.")
      .text(
          "config", options.config_file, form::kPath,
          "The flag farm's own file, farm.toml (docs/farm.md): the game, the opponents, the jury. What stands in it is "
          "taken up while the server runs. Empty: there is no farm.")
      .text("grpc_listen", options.grpc_listen, form::kAddressOrNone,
            "Where the farm also answers gRPC (api/proto/farm.proto), with the server's own TLS. Port 0 takes a free "
            "one. "
            "Empty: it does not.");
}

}  // namespace tiltyard::farm
