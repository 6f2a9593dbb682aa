#pragma once

#include <string>

namespace tiltyard::app {

/// Runs the server until SIGINT or SIGTERM; gives the process's exit code. `config_path` may be empty (all defaults).
/// Prints "Tiltyard is ready at URL" and, while no admin has signed in yet, the one-time link, on standard output.
int serve(const std::string& config_path);

/// The whole command line; gives the process's exit code.
int run(int argc, char** argv);
/// Runs the privileged half until SIGINT or SIGTERM: what takes root, for a server that runs as somebody else. Prints
/// "Tiltyard's privileged half is ready" once it can be called; the exit code.
int serve_privileged(const std::string& config_path);

}  // namespace tiltyard::app
