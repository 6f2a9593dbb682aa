#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <utility>

#include "base/result.h"

namespace tiltyard::cli {
struct Context;
}

/// The command line's end of a command that streams (docs/exec.md).
namespace tiltyard::labs {

/// The connection ended before the command; the server ends that.
inline constexpr char kCommandLost[] = "command-lost";

struct ExecCall {
  std::string path;                               ///< of the stream, with query
  boost::json::object first;                      ///< what is to run
  bool input = true;                              ///< our standard input is the command's
  bool terminal = false;                          ///< our terminal is its terminal, as it is; Ctrl-] leaves
  bool tame_output = false, tame_errors = false;  ///< what it says there is made harmless
  bool keep = false;                              ///< what it says is kept for the caller instead of written
};

struct ExecEnd {
  int exit_code = -1;      ///< -1: it is not known
  std::string stopped_by;  ///< empty: it ended by itself
  bool left = false;       ///< we have gone before its end
  std::string output, errors;
};

/// Runs the command to its end, and writes all that it says before it returns.
Result<ExecEnd> run_command(cli::Context& context, ExecCall call);

/// The size of the terminal that is our standard input.
std::pair<int, int> columns_and_rows_here();

}  // namespace tiltyard::labs
