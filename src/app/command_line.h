#pragma once

#include <optional>

#include "app/settings.h"
#include "app/words.h"
#include "cli/commands.h"

namespace tiltyard::app {

/// The whole command line: the server's own words and those that the capabilities have declared, in the order of their
/// list. The context must outlive it, and refers to it.
class CommandLine {
 public:
  CommandLine(cli::Context& context, Serve serve, Capabilities all = capabilities());

  cli::Commands& commands() { return *commands_; }

 private:
  Result<> configure();
  /// TILTYARD_URL, else the address that the configuration listens on; TILTYARD_TOKEN, else, for a server on this
  /// machine, the admin token's file if we may read it.
  cli::Where find_server();
  cli::Where with_token_of_this_machine(cli::Where where, bool configured) const;

  cli::Context& context_;
  Settings settings_;
  std::optional<Result<>> configured_;
  std::unique_ptr<cli::Commands> commands_;
};

}  // namespace tiltyard::app
