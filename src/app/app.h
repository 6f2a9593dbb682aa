#pragma once

#include <string>

namespace tiltyard::app {

/// Runs the server until SIGINT or SIGTERM; gives the process's exit code. `config_path` may be empty (all defaults).
/// Prints "Tiltyard is ready at URL" and, while no admin has signed in yet, the one-time link, on standard output.
int serve(const std::string& config_path);

/// The whole command line; gives the process's exit code.
int run(int argc, char** argv);

}  // namespace tiltyard::app
