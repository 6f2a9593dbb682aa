// What the server's configuration says of the farm; the game is in the farm's own file.
#include "config/keys.h"
#include "farm/farm.h"

namespace tiltyard::farm {

namespace form = config::form;

namespace {

/// As useradd(8) takes them; nothing that looks like a path or a number.
constexpr config::Form kUser{.takes = "the name of an account", .fits = [](std::string_view text) {
                               constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz_";
                               constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789_-";
                               return text.empty() || (text.size() <= 32 && kFirst.contains(text.front()) &&
                                                       text.find_first_not_of(kRest) == std::string_view::npos);
                             }};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("farm", "Attack/defence: stolen flags on their way to the jury.")
      .text(
          "config", options.config_file, form::kPath,
          "The flag farm's own file, farm.toml (docs/farm.md): the game, the opponents, the jury. What stands in it is "
          "taken up while the server runs. Empty: there is no farm.")
      .text("grpc_listen", options.grpc_listen, form::kAddressOrNone,
            "Where the farm also answers gRPC (api/proto/farm.proto), with the server's own TLS. Port 0 takes a free "
            "one. "
            "Empty: it does not.")
      .text("senders_user", options.senders_user, kUser,
            "The account that senders run as when the server starts them. Empty: a number from 61184 to 65519 that "
            "nobody "
            "on this machine has.");
}

}  // namespace tiltyard::farm
