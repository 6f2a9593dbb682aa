#pragma once

#include <string>
#include <vector>

namespace tiltyard::cli {
struct Context;
}

namespace tiltyard::labs {

/// `tiltyard exec`: what it takes.
struct ExecOptions {
  std::string id, machine;
  bool terminal = false, raw = false;
  std::vector<std::string> command;
};

/// The machine's terminal in ours; the exit code.
int open_terminal(cli::Context& context, const ExecOptions& options);

}  // namespace tiltyard::labs
