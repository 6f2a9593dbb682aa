// What the configuration says of files of machines.
#include "config/keys.h"
#include "transfers/service.h"

namespace tiltyard::transfers {

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("files", "Files into machines and out of them: the page, the command line, the API.")
      .bytes("max_size", options.max_size, 1, std::uint64_t{1} << 50, "Of one file that is sent into a machine.")
      .number("at_once", options.at_once, 1, 1000, "Calls of one user that are under way at the same time.")
      .bytes("rate", options.rate, 0, std::uint64_t{1} << 40,
             "Bytes a second of one transfer, either way; 0: as fast as it goes.");
}

}  // namespace tiltyard::transfers
