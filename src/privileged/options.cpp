#include "privileged/options.h"

#include "config/keys.h"

namespace tiltyard::privileged {

namespace form = config::form;

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("privileged", "The small process that does what takes root, for a server that has no rights of its own.")
      .text("socket", options.socket, form::kPath,
            "Where `tiltyard privileged` is called: \"/run/tiltyard/privileged.sock\". Empty: there is none, and the "
            "server needs the rights itself.")
      .text("engine_socket", options.engine_socket, form::kPath,
            "Where it answers in the engine's place, to calls about this server's own machines only.")
      .text("files", options.files, form::kPath,
            "The folder of the instances' own files, which belongs to root and which nobody else can look into.")
      .text("user", options.user, form::kAny,
            "The account that the server runs as, and that alone may call: a name or a number.");
}

}  // namespace tiltyard::privileged
