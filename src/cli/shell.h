#pragma once

#include <string>
#include <vector>

namespace tiltyard::cli {

struct Context;

/// `tiltyard exec`: what it takes.
struct ExecOptions {
  std::string id, machine;
  bool terminal = false;
  std::vector<std::string> command;
};

/// The machine's terminal in ours; the exit code.
int open_terminal(Context& context, const ExecOptions& options);

}  // namespace tiltyard::cli
